"""The example page that runs a model in the browser: it answers as Python does, and asks nobody."""

from __future__ import annotations

import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emotone
from emotone import bundle
from emotone.audio.preparation import trim
from node import REPO, npm

EXAMPLES = REPO / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The example as a reader has it after `npm ci` and `emotone models export`."""
    made = tmp_path_factory.mktemp("onnx") / "browser"
    leave = shutil.ignore_patterns("node_modules", "model")
    shutil.copytree(EXAMPLES / "browser", made, ignore=leave)
    done = npm("ci", "--no-audit", "--no-fund", folder=made)
    assert done.returncode == 0, done.stderr
    bundle.export(bundle.Bundle.open(bundle.find("default")), made / "model")
    return made


@pytest.fixture(scope="module")
def address(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser, address):
    asked, trouble = [], []
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(f"{address}/index.html")
    page.get_by_text("Choose a clip").wait_for()
    yield page
    page.close()
    assert trouble == []
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


@pytest.mark.parametrize("clip", sorted(EXAMPLES.glob("*.flac")), ids=lambda clip: clip.stem)
def test_the_page_answers_as_python_does(page, clip):
    expected = emotone.load().predict(clip)
    page.set_input_files("input", clip)
    page.get_by_text(f"{clip.name}: {expected.emotion}").wait_for()
    names = page.locator("dt").all_inner_texts()
    scores = page.locator("meter").evaluate_all("all => all.map(meter => meter.value)")
    assert dict(zip(names, scores, strict=True)) == pytest.approx(expected.scores, abs=2e-3)


def test_what_is_no_sound_is_told(page, tmp_path):
    (tmp_path / "clip.wav").write_text("no sound at all")
    page.set_input_files("input", tmp_path / "clip.wav")
    page.get_by_text("clip.wav cannot be heard").wait_for()


def test_silence_is_cut_as_in_python(page, tmp_path):
    samples, _ = soundfile.read(EXAMPLES / "low-voice.flac", dtype="float32")
    padded = np.concatenate([np.zeros(9_000, np.float32), samples, np.zeros(7_000, np.float32)])
    cut = """async samples => {
        const { trim } = await import("./emotone.js");
        const left = trim(Float32Array.from(samples), 40);
        return [left.length, left[0], left[left.length - 1]];
    }"""
    expected = trim(padded, 40.0)
    length, first, last = page.evaluate(cut, padded.tolist())
    assert (length, first, last) == (len(expected), expected[0], expected[-1])
    assert page.evaluate(cut, [0.0] * 5000)[0] == 5000


def test_a_model_of_features_is_refused(browser, address, folder):
    card = folder / "model" / "card.json"
    kept = card.read_text()
    try:
        card.write_text(kept.replace('"kind": "waveform"', '"kind": "features"'))
        assert card.read_text() != kept
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        page.get_by_text("This model takes features").wait_for()
        page.close()
    finally:
        card.write_text(kept)
