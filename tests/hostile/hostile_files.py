"""More than three hundred files that are broken, strange, or mean harm, made by script.

    python tests/hostile/hostile_files.py FOLDER

Made of the clips in examples/ and of generated sound, the same each time. `make` writes those that
are plain files; `make_odd` what else a folder can hold: pipes, loops, devices.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import audio_files
from audio_files import Samples, encode, encode_av, wav

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RATE = 16_000

_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
}
_FFMPEG = {
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 44_100),
    "mka": ("matroska", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "aac": ("adts", "aac", 44_100),
    "wma": ("asf", "wmav2", 44_100),
    "avi": ("avi", "mp3", 44_100),
    "ts": ("mpegts", "aac", 44_100),
    "flv": ("flv", "aac", 44_100),
}
CONTAINERS = (*_SOUNDFILE, *_FFMPEG)

_CUTS = (0.02, 0.3, 0.6, 0.95)
"""Where each container is cut off, as shares of it; and at these bytes of its header:"""

_CUT_BYTES = (1, 11, 37)

_FLIPS = (1, 2, 3, 4)
"""Seeds of what is flipped; the first two in the header alone."""


@dataclass(frozen=True)
class Strange:
    """One file.

    Attributes
    ----------
    name
        Of the file, with its ending.
    data
        What it holds.
    heard
        Whether there is enough in it to be heard: True, False, or None where either is right.
    """

    name: str
    data: bytes
    heard: bool | None = None


def voice(seconds: float = 1.2, rate: int = RATE) -> Samples:
    """A second of an example, spoken by a machine."""
    from emotone import audio

    sound = audio.read(EXAMPLES / "raised-voice.flac", rate=rate).samples
    return sound[: round(seconds * rate)]


def encoded(samples: Samples | None = None) -> dict[str, bytes]:
    """The same sound in every container."""
    sound = {rate: voice(rate=rate) for rate in (RATE, 44_100, 48_000)}
    found = {name: encode(sound[RATE], RATE, *form) for name, form in _SOUNDFILE.items()}
    for name, (container, codec, rate) in _FFMPEG.items():
        found[name] = encode_av(sound[rate], rate, container, codec)
    return found


def make() -> Iterator[Strange]:
    """Every plain file."""
    whole = encoded()
    for name, data in whole.items():
        ending = {"wav24": "wav", "rf64": "wav"}.get(name, name)
        yield Strange(f"whole-{name}.{ending}", data, True)
        for share in _CUTS:
            yield Strange(f"cut-{name}-{share}.{ending}", data[: round(share * len(data))])
        for place in _CUT_BYTES:
            yield Strange(f"cut-{name}-{place}b.{ending}", data[:place], False)
        for seed in _FLIPS:
            reach = 64 if seed <= 2 else len(data)
            yield Strange(f"flip-{name}-{seed}.{ending}", flipped(data, seed, reach))
        yield Strange(f"junk-{name}.{ending}", junk_within(data))
        yield Strange(f"twice-{name}.{ending}", data + data)
        yield Strange(f"headless-{name}.{ending}", data[48:])
    yield from _lies(whole)
    yield from _sounds()
    yield from _others(whole)
    yield from _names(whole["flac"])


def flipped(data: bytes, seed: int, reach: int) -> bytes:
    """Some bits of the first bytes the other way round."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for place in rng.integers(0, min(reach, len(data)), 6 if reach <= 64 else 40):
        changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def junk_within(data: bytes) -> bytes:
    """A twentieth of it, from the middle on, is noise."""
    middle, length = len(data) // 2, max(8, len(data) // 20)
    noise = np.random.default_rng(0).bytes(length)
    return data[:middle] + noise + data[middle + length :]


# -- headers that lie


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A chunk of a RIFF, of the size that it has or says."""
    length = len(body) if size is None else size
    return name + struct.pack("<I", length) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes, size: int | None = None, form: bytes = b"WAVE") -> bytes:
    """A RIFF of these chunks."""
    body = form + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def form_chunk(
    tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16, align: int | None = None
) -> bytes:
    """What a WAV says about its samples."""
    width = channels * bits // 8 % 2**16 if align is None else align
    per_s = min(rate * width, 2**32 - 1)
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, per_s, width, bits))


def pcm(samples: Samples) -> bytes:
    """16 bits, the lower byte first."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def _lies(whole: dict[str, bytes]) -> Iterator[Strange]:
    sound = voice()
    body, form, data = pcm(sound), form_chunk(), chunk(b"data", pcm(sound))
    for size in (0, 1, 2**31 - 1, 2**31, 2**32 - 1):
        yield Strange(f"data-says-{size}.wav", riff(form, chunk(b"data", body, size)))
        yield Strange(f"riff-says-{size}.wav", riff(form, data, size=size), True)
    for rate in (0, 1, 7_999, 8_000, 11_025, 192_000, 192_001, 768_000, 2**32 - 1):
        yield Strange(f"rate-{rate}.wav", riff(form_chunk(rate=rate), data))
    for bits in (0, 1, 4, 7, 8, 12, 20, 24, 32, 33, 64, 65535):
        yield Strange(f"bits-{bits}.wav", riff(form_chunk(bits=bits), data))
    for channels in (0, 2, 3, 7, 32, 255, 1024, 65535):
        yield Strange(f"channels-{channels}.wav", riff(form_chunk(channels=channels), data))
    for tag in (0, 2, 3, 6, 7, 17, 49, 85, 0xFF, 0x160, 0xFFFE, 0xFFFF):
        yield Strange(f"tag-{tag}.wav", riff(form_chunk(tag=tag), data))
    for align in (0, 1, 3, 65535):
        yield Strange(f"align-{align}.wav", riff(form_chunk(align=align), data))
    empty = chunk(b"data", b"")
    yield Strange("data-empty.wav", riff(form, empty), False)
    yield Strange("data-first.wav", riff(data, form))
    yield Strange("data-twice.wav", riff(form, data, data), True)
    yield Strange("data-empty-then-full.wav", riff(form, empty, data))
    yield Strange("no-form.wav", riff(data), False)
    yield Strange("no-data.wav", riff(form), False)
    yield Strange("form-twice.wav", riff(form, form_chunk(channels=2, rate=8000), data))
    yield Strange("form-short.wav", riff(chunk(b"fmt ", b"\1\0\1\0"), data), False)
    yield Strange("form-huge.wav", riff(chunk(b"fmt ", bytes(16), 2**31), data))
    yield Strange("chunks-empty.wav", riff(form, *[chunk(b"JUNK", b"")] * 20_000, data), True)
    yield Strange("chunks-zero-names.wav", riff(form, *[bytes(8)] * 1000, data))
    yield Strange("chunk-huge.wav", riff(form, chunk(b"LIST", b"x" * 10, 2**32 - 2), data))
    yield Strange("riff-in-riff.wav", riff(chunk(b"data", riff(form, data))))
    yield Strange("odd-bytes.wav", riff(form, chunk(b"data", body[:-1])), True)
    yield Strange("rf64-no-ds64.wav", b"RF64" + riff(form, data)[4:])
    long = struct.pack("<QQQI", 2**63, 2**63, 2**63, 0)
    yield Strange("rf64-huge.wav", b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", long) + form
                  + chunk(b"data", body, 2**32 - 1))  # fmt: skip
    yield from _other_lies(whole, body)


def _other_lies(whole: dict[str, bytes], body: bytes) -> Iterator[Strange]:
    flac = bytearray(whole["flac"])
    for name, total in (("none", 0), ("huge", 2**36 - 1), ("one", 1)):
        changed = bytes(flac[:21]) + bytes([flac[21] & 0xF0 | total >> 32]) + struct.pack(
            ">I", total & 2**32 - 1) + bytes(flac[26:])  # fmt: skip
        yield Strange(f"flac-total-{name}.flac", changed)
    yield Strange("flac-block-huge.flac", bytes(flac[:4]) + b"\x04\xff\xff\xff" + bytes(flac[8:]))
    yield Strange("flac-blocks.flac", bytes(flac[:42]) + b"\x01\0\0\0" * 50_000)
    picture = b"\x06" + (2**24 - 1).to_bytes(3, "big")
    yield Strange("flac-picture.flac", b"fLaC\0" + bytes(flac[5:42]) + picture + bytes(flac[42:]))
    au = struct.Struct(">4s5I")
    big = np.frombuffer(body, "<i2").astype(">i2").tobytes()
    for name, fields in {
        "au-offset-huge": (2**31, len(big), 3, RATE, 1),
        "au-offset-zero": (0, len(big), 3, RATE, 1),
        "au-length-huge": (24, 2**32 - 2, 3, RATE, 1),
        "au-codec": (24, len(big), 999, RATE, 1),
        "au-channels": (24, len(big), 3, RATE, 2**31),
        "au-rate": (24, len(big), 3, 2**32 - 1, 1),
        "au-no-channels": (24, len(big), 3, RATE, 0),
    }.items():
        yield Strange(f"{name}.au", au.pack(b".snd", *fields) + big)
    comm = struct.Struct(">hIh10s")
    rate = b"\x40\x0c\xfa\0\0\0\0\0\0\0"  # 16,000 as a float of 80 bits
    for name, fields80 in {
        "aiff-frames-huge": (1, 2**32 - 1, 16, rate),
        "aiff-no-channels": (0, 19_200, 16, rate),
        "aiff-channels-negative": (-3, 19_200, 16, rate),
        "aiff-rate-infinite": (1, 19_200, 16, b"\x7f\xff" + bytes(8)),
        "aiff-rate-nan": (1, 19_200, 16, b"\x7f\xff\xc0" + bytes(7)),
        "aiff-rate-zero": (1, 19_200, 16, bytes(10)),
        "aiff-bits": (1, 19_200, -5, rate),
    }.items():
        inside = b"AIFFCOMM" + struct.pack(">I", 18) + comm.pack(*fields80)
        inside += b"SSND" + struct.pack(">I", len(big) + 8) + bytes(8) + big
        yield Strange(f"{name}.aiff", b"FORM" + struct.pack(">I", len(inside)) + inside)
    for name, box in {
        "mp4-box-huge": b"\0\0\0\x01mdat" + b"\xff" * 8,
        "mp4-box-zero": b"\0\0\0\0mdat",
        "mp4-box-tiny": b"\0\0\0\x04mdat" * 1000,
        "mp4-nested": b"".join(struct.pack(">I4s", 8 * (2000 - k), b"moov") for k in range(2000)),
        "mp4-only-type": b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom",
    }.items():
        yield Strange(f"{name}.mp4", b"\0\0\0\x10ftypisom\0\0\0\0" + box, False)
    tag = b"ID3\x04\0\0\x7f\x7f\x7f\x7f"
    yield Strange("mp3-tag-huge.mp3", tag + whole["mp3"])
    yield Strange("mp3-tag-in-tag.mp3", b"ID3\x04\0\0\0\0\0\x0a" * 500 + whole["mp3"])
    yield Strange("mp3-headers.mp3", b"\xff\xfb\x90\x00" * 5000)
    yield Strange("mp3-after-zeros.mp3", bytes(5000) + whole["mp3"])
    yield Strange("ogg-pages.ogg", b"OggS\0\2" + bytes(20) + b"\0" * 1 + b"OggS" * 10_000)
    yield Strange("ogg-two-streams.ogg", whole["ogg"] + whole["opus"])
    ebml = b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff"
    yield Strange("webm-unknown-size.webm", ebml + whole["webm"][12:])
    yield Strange("webm-only-header.webm", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01", False)
    guid = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    yield Strange("wma-huge.wma", guid + struct.pack("<QI", 2**63, 2**31) + bytes(100), False)


# -- sound that is strange by itself


def _sounds() -> Iterator[Strange]:
    sound = voice()
    seconds = np.arange(RATE) / RATE

    def floats(samples: Samples, rate: int = RATE) -> bytes:
        return wav(samples.astype(np.float32), rate)

    spoiled = sound.copy()
    spoiled[5000] = np.nan
    yield Strange("one-nan.wav", floats(spoiled), False)
    yield Strange("all-nan.wav", floats(np.full(RATE, np.nan, np.float32)), False)
    spoiled[5000] = -np.inf
    yield Strange("one-infinite.wav", floats(spoiled), False)
    yield Strange("subnormal.wav", floats(np.full(RATE, 1e-42, np.float32)), False)
    yield Strange("huge-floats.wav", floats(sound * np.float32(1e30)))
    yield Strange("largest-floats.wav", floats(np.sign(sound) * np.float32(3.4e38)))
    yield Strange("unscaled.wav", floats(sound * np.float32(32768)), True)
    yield Strange("zeros.wav", floats(np.zeros(RATE, np.float32)), False)
    yield Strange("steady.wav", floats(np.full(RATE, 0.5, np.float32)), False)
    yield Strange("offset.wav", floats(sound + np.float32(0.4)), True)
    yield Strange("full-scale.wav", floats(np.ones(RATE, np.float32)), False)
    yield Strange("square.wav", floats(np.sign(np.sin(2 * np.pi * 100 * seconds))), True)
    yield Strange("clipped.wav", floats(np.clip(40 * sound, -1, 1)), True)
    yield Strange("faint.wav", floats(sound * np.float32(1e-4)))
    yield Strange("one-click.wav", floats(np.eye(1, RATE, 8000, dtype=np.float32)[0]), True)
    yield Strange("nyquist.wav", floats(np.resize([0.5, -0.5], RATE)), True)
    for count in (0, 1, 2, 160, 1599, 1600, 1601):
        yield Strange(f"samples-{count}.wav", floats(sound[:count]), count >= 1600)
    for count, ending in ((1, "flac"), (160, "flac"), (160, "ogg"), (160, "mp3")):
        form = _SOUNDFILE[ending]
        yield Strange(f"samples-{count}.{ending}", encode(sound[:count], RATE, *form), False)
    for channels in (2, 8, 32):
        tones = audio_files.tone(0.3, channels=channels)
        yield Strange(f"tones-{channels}.wav", floats(tones), True)
    opposite = np.stack([sound, -sound], axis=1)
    yield Strange("opposite.wav", floats(opposite), False)
    for rate in (8_000, 11_025, 22_050, 37_800, 44_100, 88_200, 96_000, 176_400, 192_000):
        yield Strange(f"at-{rate}.wav", floats(audio_files.tone(0.4, rate), rate), True)
    for codec in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM",
                  "MS_ADPCM", "GSM610"):  # fmt: skip
        yield Strange(f"codec-{codec.lower()}.wav", encode(voice(1.0), RATE, "WAV", codec), True)
    for codec in ("GSM610", "ULAW", "IMA_ADPCM", "FLOAT"):
        yield Strange(f"codec-{codec.lower()}.aiff", encode(voice(1.0), RATE, "AIFF", codec))
    for codec in ("ALAC_16", "ALAC_32"):
        yield Strange(f"codec-{codec.lower()}.caf", encode(voice(1.0), RATE, "CAF", codec), True)
    yield Strange("half-an-hour-of-silence.flac", silence_then_a_word(1800, word=False), False)
    yield Strange("ten-minutes-then-a-word.flac", silence_then_a_word(600), True)


def silence_then_a_word(seconds: int, *, word: bool = True) -> bytes:
    """Hours of silence are some kilobytes."""
    sound = np.zeros(seconds * 8000, np.int16)
    if word:
        sound[-8000:] = (voice(1.0, 8000) * 32767).astype(np.int16)
    return encode(sound, 8000, "FLAC")


# -- what is no sound, or bears a strange name


def _others(whole: dict[str, bytes]) -> Iterator[Strange]:
    import gzip
    import zlib

    flac = whole["flac"]
    for name, data in {
        "empty.wav": b"",
        "one-byte.mp3": b"\xff",
        "zeros.flac": bytes(4096),
        "ones.opus": b"\xff" * 4096,
        "noise.m4a": np.random.default_rng(1).bytes(20_000),
        "text.wav": b"This is no sound.\n" * 100,
        "page.mp3": b"<!doctype html><title>404</title>" * 20,
        "script.wav": b"#!/bin/sh\nrm -rf /\n",
        "json.flac": b'{"format": 1}',
        "playlist.wav": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat.m4a": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "stream.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "sdp.wav": b"v=0\nm=audio 5004 RTP/AVP 96\na=rtpmap:96 L16/44100\n",
        "dash.mp4": b'<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>',
        "picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "pickle.wav": b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "archive.wav": b"PK\x03\x04" + bytes(200),
        "program.wav": b"\x7fELF" + bytes(300),
        "packed.flac": gzip.compress(flac),
        "bomb.wav": zlib.compress(bytes(10_000_000)),
        "lfs.wav": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    }.items():
        yield Strange(f"no-{name}", data, False)
    yield Strange("flac-named.mp3", flac, True)
    yield Strange("mp3-named.wav", whole["mp3"], True)
    yield Strange("m4a-named.flac", whole["m4a"], True)
    yield Strange("wav-named.webm", whole["wav"], True)
    yield Strange("before-it-text.wav", b"HTTP/1.1 200 OK\r\n\r\n" + whole["wav"])
    yield Strange("after-it-text.wav", whole["wav"] + b"</body></html>" * 100)


_NAMES = (
    "with\nnewline.flac",
    "with\r\nreturn.flac",
    "with\ttab.flac",
    "with\x1b[31mcolour\x07.flac",
    "with\u202egnp.flac",
    "with;semi,comma'quote\"double.flac",
    "with$(touch evil)`touch evil`.flac",
    "--model.flac",
    "-.flac",
    " blank .flac",
    "[brackets]*?.flac",
    "%s%n{0}.flac",
    "=1+1.flac",
    "<b>bold&amp;.flac",
    "日本語🎧.flac",
    "e\u0301.flac",
    ".hidden.flac",
    "n" * 245 + ".flac",
)


def _names(flac: bytes) -> Iterator[Strange]:
    for name in _NAMES:
        yield Strange(name, flac, True)
    if sys.platform == "linux":  # others refuse names that are no text
        yield Strange(os.fsdecode(b"latin-\xe9\xff.flac"), flac, True)


def write(folder: Path) -> list[tuple[Path, Strange]]:
    """Every plain file, written into the folder."""
    found = []
    for each in make():
        path = folder / each.name
        path.write_bytes(each.data)
        found.append((path, each))
    return found


def make_odd(folder: Path) -> dict[str, Path]:
    """What is in a folder and is no plain file, by what it is. Needs a POSIX system."""
    found: dict[str, Path] = {}

    def at(name: str, make: Callable[[Path], object]) -> None:
        path = folder / name
        make(path)
        found[name] = path

    at("loop.wav", lambda path: path.symlink_to(path))
    at("dangling.wav", lambda path: path.symlink_to(folder / "nothing"))
    at("ring.wav", lambda path: (path.symlink_to(folder / "ring2.wav"),
                                 (folder / "ring2.wav").symlink_to(path)))  # fmt: skip
    at("directory.wav", lambda path: path.mkdir())
    at("null.wav", lambda path: path.symlink_to("/dev/null"))
    at("endless.wav", lambda path: path.symlink_to("/dev/zero"))
    at("full.wav", lambda path: path.symlink_to("/dev/full"))
    at("memory.wav", lambda path: path.symlink_to("/proc/self/mem"))
    at("under-a-file.wav", lambda path: None)
    (folder / "plain").write_bytes(b"x")
    found["under-a-file.wav"] = folder / "plain" / "x.wav"
    found["missing.wav"] = folder / "missing.wav"
    found["too-long.wav"] = folder / ("x" * 300 + ".wav")
    at("pipe.wav", os.mkfifo)
    at("socket.wav", _socket)
    at("unreadable.wav", lambda path: (path.write_bytes(b"x"), path.chmod(0)))
    return found


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # Paths of sockets are short, so from within the folder.
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(parents=True)
    print(f"{len(write(place))} files in {place}")
