"""What the documentation's readers have at hand: an excerpt of two corpora, calls and meetings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import standins

RATE = 16_000
ACTORS = range(1, 9)


def make(folder: Path, corpora: Path | None, examples: Path) -> Path:
    """Everything that pages take for granted, in a new folder, out of real clips.

    Without the corpora it is stand-ins that are trained on: the commands are the same.
    """
    folder.mkdir()
    (folder / "examples").symlink_to(examples)
    if corpora is None:
        standins.ravdess(folder / "ravdess", examples, ACTORS)
        standins.emodb(folder / "emodb", examples)
    else:
        _ravdess(folder / "ravdess", corpora / "ravdess")
        _links(folder / "emodb", corpora / "emodb", every=8)

    voices = {actor: _clips(folder / "ravdess" / f"Actor_{actor:02}") for actor in (1, 2, 3, 4)}
    # Short, since a live session hears talk.wav as slowly as it was spoken.
    talk = _conversation([voices[1], voices[2]], turns=2)
    soundfile.write(folder / "talk.wav", talk.sum(axis=1), RATE)
    soundfile.write(folder / "call.wav", talk, RATE)
    meeting = _conversation([voices[1], voices[2]], turns=6).sum(axis=1)
    for name in ("meeting.wav", "interview.wav"):
        soundfile.write(folder / name, meeting, RATE)
    for name in ("meeting.mp3", "night.mp3"):
        soundfile.write(folder / name, meeting, RATE, format="MP3")
    for day, pair in (("2026-11-14", (1, 2)), ("2026-11-15", (3, 4)), ("2026-11-17", (2, 3))):
        call = folder / "calls" / day / f"{pair[0]}-{pair[1]}.wav"
        call.parent.mkdir(parents=True)
        soundfile.write(call, _conversation([voices[n] for n in pair], turns=2), RATE)

    recordings = folder / "recordings"
    recordings.mkdir()
    for name, clip in zip(("one.wav", "two.wav", "three.wav"), voices[3], strict=False):
        soundfile.write(recordings / name, clip, RATE)
    for name, clip in zip(("clip.wav", "one.wav", "two.wav"), voices[4], strict=False):
        soundfile.write(folder / name, clip, RATE)
    return folder


def laid_out(materials: Path, folder: Path) -> None:
    """Put the materials into a page's folder, by links: what a page writes lies beside them."""
    for thing in materials.iterdir():
        (folder / thing.name).symlink_to(thing)


def _ravdess(target: Path, source: Path) -> None:
    """One sentence, said once, of each emotion and strength by eight actors, as WAV as
    downloaded."""
    for actor in ACTORS:
        name = f"Actor_{actor:02}"
        (target / name).mkdir(parents=True)
        for clip in sorted((source / name).glob("03-01-??-??-01-01-??.*")):
            samples, rate = soundfile.read(clip)
            soundfile.write(target / name / f"{clip.stem}.wav", samples, rate)


def _links(target: Path, source: Path, *, every: int) -> None:
    """Every so-manieth file of a corpus."""
    for file in sorted(path for path in source.rglob("*") if path.is_file())[::every]:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)


def _clips(folder: Path) -> list[npt.NDArray[np.float32]]:
    read = [soundfile.read(clip, dtype="float32") for clip in sorted(folder.glob("*.wav"))]
    assert {rate for _, rate in read} == {RATE}
    return [samples for samples, _ in read]


def _conversation(
    speakers: list[list[npt.NDArray[np.float32]]], *, turns: int
) -> npt.NDArray[np.float32]:
    """Clips in turn, half a second between them, each speaker on a channel; shape ``(n, k)``."""
    parts = []
    for turn in range(turns):
        channel = turn % len(speakers)
        clip = speakers[channel][turn * 2 % len(speakers[channel])]
        part = np.zeros((len(clip) + RATE // 2, len(speakers)), np.float32)
        part[: len(clip), channel] = clip
        parts.append(part)
    return np.concatenate(parts)
