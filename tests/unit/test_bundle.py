from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import bundles
from emotone import bundle
from emotone.bundle import Bundle, archive, graph, storage
from emotone.errors import BundleError


@pytest.fixture(params=["mine.emotone", "mine"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return bundles.write(tmp_path / request.param)


def rezip(
    path: Path, *, compression: int = zipfile.ZIP_STORED, **files: bytes | Callable[[bytes], bytes]
) -> None:
    """Write the zip anew with some members changed; `card` and `model` name the usual two."""
    names = {"card": "card.json", "model": "model.onnx"}
    changes = {names.get(name, name): change for name, change in files.items()}
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        content[name] = change(content[name]) if callable(change) else change
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def edit_card(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda data: json.dumps(json.loads(data) | changes).encode()


def refused(path: Path, match: str, **options: Any) -> BundleError:
    with pytest.raises(BundleError, match=match) as caught:
        Bundle.open(path, **options)
    assert str(path) in str(caught.value), "the message names the bundle"
    assert caught.value.remedy, "and says what to do"
    return caught.value


def test_what_is_written_is_what_is_read(written: Path) -> None:
    opened = Bundle.open(written)
    expected = bundles.card()
    assert opened.model == bundles.random_model(13)
    assert opened.card.to_dict() | {"files": {}, "emotone_version": None} == expected.to_dict()
    assert opened.card.files["model.onnx"].bytes == len(opened.model)
    assert opened.card.model == "test@1.0"


def test_a_deflated_zip_is_read_too(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, compression=zipfile.ZIP_DEFLATED)
    assert Bundle.open(path).card.emotions == bundles.EMOTIONS


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    first = bundles.write(tmp_path / "a.emotone").read_bytes()
    time.sleep(2.1)  # a zip keeps times in steps of two seconds
    assert bundles.write(tmp_path / "b.emotone").read_bytes() == first


def test_a_bundle_is_replaced_and_nothing_else_is_left_behind(written: Path) -> None:
    bundles.write(written, version="2.0")
    assert Bundle.open(written).card.version == "2.0"
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_what_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("words")
    (tmp_path / "notes").write_text("words")
    (tmp_path / "folder.emotone").mkdir()
    for name in ("thesis", "notes", "folder.emotone"):
        with pytest.raises(BundleError, match="in the way"):
            bundles.write(tmp_path / name)
    assert (folder / "chapter1.tex").read_text() == "words"
    assert (tmp_path / "notes").read_text() == "words"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_failed_write_leaves_the_old_bundle(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match="No space left on device"):
        bundles.write(written, version="2.0")
    assert Bundle.open(written).card.version == "1.0"
    assert [path.name for path in written.parent.iterdir()] == [written.name]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_writer_stopped_at_any_moment_leaves_a_whole_bundle(
    tmp_path: Path, stop: signal.Signals
) -> None:
    target = bundles.write(tmp_path / "mine.emotone")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import bundles, pathlib, signal\n"
        # A shell that runs the tests in the background makes its children deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('ready', flush=True)\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; bundles.write(pathlib.Path(sys.argv[2]), version=f'2.{n}')\n"
    )
    here = str(Path(bundles.__file__).parent)
    for delay in (0.01, 0.033, 0.052):
        process = subprocess.Popen(
            [sys.executable, "-c", program, here, str(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        while process.poll() is None:
            process.send_signal(stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)  # libraries that are being imported swallow an interrupt
        process.stdout.close()
        assert Bundle.open(target).card.name == "test"


# --- refusals ------------------------------------------------------------------------------------


def test_missing(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.emotone", "no such bundle").code == "missing_bundle"


def test_cut_short_anywhere(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    whole = path.read_bytes()
    for size in (0, 1, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(path, "cut short|damaged")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_refused_or_harmless(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = bundles.write(tmp_path_factory.mktemp("flip") / "mine.emotone")
    whole = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    # A time stamp or an attribute of the archive may change without harm; the model never.
    try:
        opened = Bundle.open(path)
    except BundleError:
        return
    assert opened.model == bundles.random_model(13)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300))
def test_noise_is_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("noise") / "mine.emotone"
    path.write_bytes(data)
    refused(path, "not a bundle")


def test_a_tampered_model(written: Path) -> None:
    other = bundles.random_model(13, seed=1)
    if written.is_dir():
        (written / "model.onnx").write_bytes(other)
    else:
        rezip(written, model=other)
    refused(written, "checksum of model.onnx is not the one in the card")


def test_a_shortened_model(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine")
    model = path / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    refused(path, "bytes where the card says")


BELOW = {"confidence": 0.5, "target": 0.8, "accuracy": 0.81, "coverage": 0.6, "clips": 400}
NEUTRAL = {"logits": [1.0, 0.0, -1.0, 0], "weight": 0.5, "prior_clips": 2}
ADAPTATION = {"precision": 1.0, "neutral": NEUTRAL, "speakers": 24}


def test_a_card_says_when_to_be_uncertain_and_how_to_adapt(tmp_path: Path) -> None:
    calibration = {"uncertain_below": BELOW, "adaptation": ADAPTATION}
    path = bundles.write(tmp_path / "mine.emotone", calibration=calibration)
    assert bundle.Bundle.open(path).card.calibration == calibration


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format_version": 3}, "made by a newer emotone"),
        ({"format_version": "1"}, "format_version"),
        ({"format_version": True}, "format_version"),
        ({"emotions": ["happy"]}, "emotions must be"),
        ({"emotions": ["happy", "happy"]}, "emotions must be"),
        ({"emotions": "happy"}, "emotions must be"),
        ({"name": "../../etc/passwd"}, "name must be"),
        ({"name": None}, "name must be"),
        ({"input": {"kind": "video"}}, "input: kind must be"),
        ({"input": {"kind": "features", "dimension": 0}}, "dimension must be"),
        ({"input": {"kind": "features", "dimension": 13, "hop": 1}}, "unknown field 'hop'"),
        ({"input": {"kind": "waveform", "rate": 16000}}, "cannot have a feature_set"),
        ({"feature_version": None}, "feature_set and feature_version"),
        ({"preparation": []}, "preparation must be an object"),
        ({"calibration": {"temperature": 0}}, "temperature must be a positive"),
        ({"calibration": {"uncertain_below": 0.5}}, "uncertain_below: it must be a JSON object"),
        ({"calibration": {"uncertain_below": BELOW | {"confidence": 2}}}, "number from 0 to 1"),
        ({"calibration": {"uncertain_below": BELOW | {"x": 2}}}, "unknown field 'x'"),
        ({"calibration": {"adaptation": []}}, "adaptation: it must be a JSON object"),
        ({"calibration": {"adaptation": ADAPTATION | {"precision": 0}}}, "precision must be"),
        ({"calibration": {"adaptation": ADAPTATION | {"precision": "1"}}}, "precision must be"),
        ({"calibration": {"adaptation": ADAPTATION | {"neutral": 1}}}, "neutral: it must be"),
        (
            {"calibration": {"adaptation": ADAPTATION | {"neutral": NEUTRAL | {"logits": [0.0]}}}},
            "a number from -100 to 100 for each emotion",
        ),
        (
            {"calibration": {"adaptation": ADAPTATION | {"neutral": NEUTRAL | {"weight": True}}}},
            "weight must be a number from 0 to 1",
        ),
        ({"files": {}}, "does not list model.onnx"),
        ({"files": {"model.onnx": {"sha256": "x", "bytes": 1}}}, "64 hexadecimal"),
        ({"class": "os.system"}, "unknown field 'class'"),
    ],
)
def test_a_card_that_is_wrong(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, card=edit_card(**changes))
    refused(path, match)


def with_frames(path: Path) -> Path:
    """A bundle with a model of frames; what it computes does not matter here."""
    bundle.write(path, bundles.random_model(13), bundles.card(), frames=bundles.random_model(5))
    return path


@pytest.mark.parametrize("name", ["mine.emotone", "mine"])
def test_a_model_of_frames_belongs_to_the_bundle(tmp_path: Path, name: str) -> None:
    path = with_frames(tmp_path / name)
    opened = Bundle.open(path)
    assert opened.frames == bundles.random_model(5)
    assert set(opened.card.files) == {"model.onnx", "frames.onnx"}
    assert opened.card.to_dict()["format_version"] == 2
    assert all(check.passed for check in bundle.verify(path))
    copy = Bundle.open(bundle.export(opened, tmp_path / "copy.emotone"))
    assert (copy.model, copy.frames, copy.card) == (opened.model, opened.frames, opened.card)
    bundles.write(path)  # one without replaces it
    assert Bundle.open(path).frames is None
    assert Bundle.open(path).card.to_dict()["format_version"] == 1


def test_a_model_of_frames_is_checked_as_the_other_one(tmp_path: Path) -> None:
    path = with_frames(tmp_path / "mine.emotone")
    rezip(path, **{"frames.onnx": lambda data: data + b"x"})
    refused(path, "frames.onnx has .* bytes where the card says")
    with_frames(path)
    rezip(path, **{"frames.onnx": lambda data: data[:-1] + bytes([data[-1] ^ 1])})
    refused(path, "checksum of frames.onnx")
    bundles.write(path)
    rezip(path, **{"frames.onnx": bundles.random_model(5)})
    refused(path, "does not list frames.onnx")
    with_frames(path)
    with zipfile.ZipFile(path) as packed:
        kept = {name: packed.read(name) for name in ("card.json", "model.onnx")}
    with zipfile.ZipFile(path, "w") as packed:
        for member, data in kept.items():
            packed.writestr(member, data)
    refused(path, "lists frames.onnx, which is not there")
    with pytest.raises(BundleError, match=r"frames\.onnx: "):
        bundle.write(path, bundles.random_model(13), bundles.card(), frames=b"no model")


def test_a_newer_format_says_to_upgrade(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, card=edit_card(format_version=99, anything={"new": 1}))
    error = refused(path, "bundle format 99")
    assert error.code == "newer_bundle"
    assert "pip install --upgrade emotone" in str(error)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"name": NaN}', b"null"]
)
def test_a_card_that_is_no_card(tmp_path: Path, text: bytes) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, card=text)
    refused(path, "card.json")


@pytest.mark.parametrize("name", ["setup.py", "../../evil.py", "/etc/cron.d/x", "weights.bin"])
def test_a_file_that_does_not_belong(tmp_path: Path, name: str) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, **{name: b"import os"})
    refused(path, "does not belong there")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.emotone"]


def test_a_file_that_does_not_belong_in_a_folder(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine")
    (path / "model.onnx.data").write_bytes(b"x")
    refused(path, "does not belong there")


def test_a_missing_member(written: Path) -> None:
    if written.is_dir():
        (written / "card.json").unlink()
    else:
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("model.onnx", b"x")
    refused(written, "card.json is missing")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.onnx", bundles.random_model(13, seed=1))
    refused(path, "twice")


def test_oversized(written: Path) -> None:
    size = len(Bundle.open(written).model)
    assert Bundle.open(written, max_bytes=size).card.name == "test"
    assert refused(written, "larger than", max_bytes=size - 1).code == "oversized_bundle"


def test_a_decompression_bomb(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, compression=zipfile.ZIP_DEFLATED, model=bytes(20 * 2**20))
    refused(path, "decompression bomb")


def test_a_header_that_lies_about_the_size(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, compression=zipfile.ZIP_DEFLATED, model=lambda data: data + bytes(2000))
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        true_size = archive.getinfo("model.onnx").file_size
    lie = whole.replace(struct.pack("<I", true_size), struct.pack("<I", 100))
    assert lie != whole
    path.write_bytes(lie)
    refused(path, "damaged|declared")


def test_an_archive_with_a_huge_directory(tmp_path: Path) -> None:
    path = tmp_path / "mine.emotone"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}", b"")
    refused(path, "more files than a bundle has")


def test_other_ways_of_packing(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, compression=zipfile.ZIP_LZMA)
    refused(path, "packed in a way")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine")
    (path / "model.onnx").unlink()
    os.mkfifo(path / "model.onnx")
    refused(path, "not a regular file")


def test_no_permission(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may read everything, so the file system is made to say no.
    monkeypatch.setattr(os, "scandir", denied)
    monkeypatch.setattr(archive, "directory", denied)
    refused(written, "no permission")


# --- the graph -----------------------------------------------------------------------------------


def model_of(nodes: list[onnx.NodeProto], initializers: Any = (), **options: Any) -> bytes:
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 13])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
        list(initializers),
    )
    return bytes(helper.make_model(made, **options).SerializeToString())


def external_tensor() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros((13, 4), np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    return tensor


def test_weights_outside_of_the_file_are_refused_wherever_they_hide() -> None:
    multiply = helper.make_node("MatMul", ["features", "weights"], ["scores"])
    constant = helper.make_node("Constant", [], ["weights"], value=external_tensor())
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    for model in (
        model_of([multiply], [external_tensor()]),
        model_of([constant, multiply]),
        model_of([branch]),
    ):
        with pytest.raises(graph.GraphError, match="outside of its own file"):
            graph.inspect(model)


def test_operators_of_a_plug_in_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Shell", ["features"], ["scores"], domain="evil.plugin")
    with pytest.raises(graph.GraphError, match=r"evil\.plugin"):
        graph.inspect(model_of([node]))
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    plain = helper.make_node("Identity", ["features"], ["scores"])
    model = model_of([plain], opset_imports=opset)
    with pytest.raises(BundleError, match=r"com\.example"):
        bundle.write(tmp_path / "mine.emotone", model, bundles.card())
    assert list(tmp_path.iterdir()) == []


def test_the_walk_sees_what_the_onnx_package_sees() -> None:
    model = bundles.linear_model(np.zeros((1, 4)), np.zeros(4), kind="waveform")
    found = graph.inspect(model)
    expected = sorted({node.op_type for node in onnx.load_from_string(model).graph.node})
    assert list(found.operators) == expected
    assert found.nodes == 4


def test_a_forest_is_walked_fast_and_rightly() -> None:
    count = 300_000
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        nodes_values=np.linspace(-5, 5, count).tolist(),
        nodes_nodeids=list(range(count)),
        nodes_missing_value_tracks_true=[-1] * 1000,
        nodes_modes=["BRANCH_LEQ", "LEAF"] * (count // 2) + ["OTHER"],
    )
    last = helper.make_node("Identity", ["label"], ["again"])
    model = model_of([node, last])
    start = time.perf_counter()
    found = graph.inspect(model)
    assert time.perf_counter() - start < 1.0
    assert found.operators == ("Identity", "ai.onnx.ml.TreeEnsembleClassifier")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_graph_never_crashes_the_walk(data: st.DataObject) -> None:
    model = bytearray(bundles.linear_model(np.zeros((1, 4)), np.zeros(4), kind="waveform"))
    for _ in range(data.draw(st.integers(1, 4))):
        model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
    try:
        graph.inspect(bytes(model[: data.draw(st.integers(0, len(model)))]))
    except graph.GraphError:
        return


def test_endless_nesting_is_refused() -> None:
    attribute = b""
    for _ in range(2000):
        inner = b"\x0a" + _length(b"\x2a" + _length(attribute)) if attribute else b""
        attribute = b"\x32" + _length(inner)  # attribute: g = graph: node = node: attribute
    model = b"\x3a" + _length(b"\x0a" + _length(b"\x2a" + _length(attribute)))
    with pytest.raises(graph.GraphError, match="nested too deeply"):
        graph.inspect(model)


def _length(data: bytes) -> bytes:
    size, out = len(data), b""
    while size >= 0x80:
        out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
    return out + bytes([size]) + data


def test_onnx_runtime_has_other_formats_and_they_are_refused() -> None:
    with pytest.raises(graph.GraphError):
        graph.inspect(b"\x18\x00\x00\x00ORTM" + bytes(100))


# --- installed, verify, export -------------------------------------------------------------------


def test_installed_models_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTONE_MODELS", str(tmp_path / "models"))
    bundles.write(tmp_path / "models" / "zipped.emotone")
    bundles.write(tmp_path / "models" / "folder")
    (tmp_path / "models" / "notes.txt").write_text("words")
    elsewhere = bundles.write(tmp_path / "elsewhere.emotone")
    mine = [model for model in bundle.installed() if not model.bundled]
    assert [model.name for model in mine] == ["folder", "zipped"]
    assert bundle.find("zipped") == tmp_path / "models" / "zipped.emotone"
    assert bundle.find(str(elsewhere)) == elsewhere
    with pytest.raises(BundleError, match=r"no model of that name.*folder, zipped") as caught:
        bundle.find("unheard-of")
    assert caught.value.code == "missing_bundle"


def test_no_folder_of_models_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTONE_MODELS", str(tmp_path / "none"))
    assert [model for model in bundle.installed() if not model.bundled] == []


def test_verify_lists_each_check(written: Path) -> None:
    checks = bundle.verify(written)
    assert [check.name for check in checks] == ["container", "card", "checksum", "graph"]
    assert all(check.passed for check in checks)
    assert "Gemm, Softmax" in checks[-1].detail


def test_verify_stops_at_what_is_wrong(tmp_path: Path) -> None:
    path = bundles.write(tmp_path / "mine.emotone")
    rezip(path, model=bundles.random_model(13, seed=1))
    checks = bundle.verify(path)
    assert [check.passed for check in checks] == [True, True, False]
    assert "tampered" in checks[-1].to_dict()["detail"]


def test_export_changes_the_shape_and_nothing_else(written: Path, tmp_path: Path) -> None:
    opened = Bundle.open(written)
    folder = bundle.export(opened, tmp_path / "out" / "folder")
    again = bundle.export(Bundle.open(folder), tmp_path / "out" / "again.emotone")
    assert onnx.load(str(folder / "model.onnx")).graph.name == "linear"
    for path in (folder, again):
        copy = Bundle.open(path)
        assert (copy.card, copy.model) == (opened.card, opened.model)


def test_a_card_with_what_json_cannot_say_is_refused(tmp_path: Path) -> None:
    for value in (float("nan"), np.zeros(3), object()):
        card = bundles.card(metrics={"ua": value})
        with pytest.raises(BundleError, match="JSON cannot"):
            bundle.write(tmp_path / "mine.emotone", bundles.random_model(13), card)
    assert list(tmp_path.iterdir()) == []


def test_a_model_too_large_for_a_bundle_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "DEFAULT_MAX_BYTES", 100)
    with pytest.raises(BundleError, match="Train a smaller one"):
        bundles.write(tmp_path / "mine.emotone")
