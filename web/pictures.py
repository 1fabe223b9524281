"""The pictures of the page in docs/images, taken anew: `python web/pictures.py`.

It needs what the tests of the page need (Playwright's package, a Chromium) and the corpus RAVDESS,
whose clips make the talk and the call that are shown.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

from visited import Visited  # noqa: E402 - of the tests

IMAGES = REPO / "docs" / "images"
RAVDESS = Path(os.environ.get("EMOTONE_CORPORA", REPO.parent / "shared" / "data")) / "ravdess"
CLIP = REPO / "examples" / "raised-voice.flac"
RATE = 16_000
LOUD = 0.02

TALK = [(1, "01"), (1, "02"), (1, "02"), (2, "03"), (2, "05"), (2, "05"), (1, "05"), (1, "06"),
        (2, "01"), (2, "03"), (1, "04"), (2, "08"), (1, "03"), (2, "02"), (1, "01")]  # fmt: skip
CALL = [(3, "05"), (4, "01"), (3, "05"), (4, "03"), (3, "03"), (4, "02"), (3, "08"), (4, "06")]
"""Actor and emotion, as RAVDESS numbers them."""


def joined(clips: list[tuple[int, str]], path: Path) -> Path:
    """Clips one after the other, with pauses as in talk."""
    parts = []
    for (actor, emotion), pause_s in zip(
        clips, itertools.cycle((0.2, 0.7, 0.3, 0.9)), strict=False
    ):
        name = f"Actor_{actor:02d}/03-01-{emotion}-01-01-01-{actor:02d}.flac"
        samples, rate = soundfile.read(RAVDESS / name, dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, RATE)
        heard = np.flatnonzero(np.abs(mono) > LOUD * np.abs(mono).max())
        parts += [mono[heard[0] : heard[-1]], np.zeros(round(pause_s * RATE), np.float32)]
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


def taken(page: Page, name: str) -> None:
    """Keep what is seen, in the 256 colours that tell most."""
    path = IMAGES / f"page-{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(path.relative_to(REPO), small.size, f"{path.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    """Start a service, fill it, and look at each view."""
    place = Path(tempfile.mkdtemp())
    service = Visited(place / "service")
    try:
        talk = joined(TALK, place / "talk.wav")
        about = {"name": "Interview 4", "notes": "Two actors of RAVDESS, clip after clip."}
        shown = service.analysed(talk, keep_audio="true", **about)
        service.analysed(joined(CALL, place / "call7.wav"), name="call7")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=os.environ.get("EMOTONE_CHROMIUM") or shutil.which("chromium"),
                args=["--no-sandbox", "--use-fake-ui-for-media-stream",
                      "--use-fake-device-for-media-stream",
                      f"--use-file-for-fake-audio-capture={talk}"],
            )  # fmt: skip

            def view(
                where: str,
                width: int,
                height: int,
                act: Callable[[Page], Any],
                name: str,
                **more: Any,
            ) -> None:
                context = browser.new_context(viewport={"width": width, "height": height}, **more)
                known = json.dumps(json.dumps({"greeted": True}))
                context.add_init_script(f"localStorage['emotone.preferences'] ??= {known}")
                page = context.new_page()
                page.goto(f"{service.address}/#/{where}")
                act(page)
                page.wait_for_timeout(800)
                taken(page, name)
                context.close()

            at = f"recordings/{shown['id']}"
            view("", 1200, 930, clip, "clip")
            view(at, 1200, 2000, lambda page: recording(page, correct=True), "recording")
            view(at, 390, 1000, recording, "phone", device_scale_factor=1.5)
            view("live", 1200, 780, live, "live")
            view("history", 1200, 700, history, "history")
            browser.close()
    finally:
        service.stop()
        shutil.rmtree(place)


def clip(page: Page) -> None:
    """A clip that was answered."""
    page.locator("input[type=file]").first.set_input_files(str(CLIP))
    expect(page.locator(".seen canvas").first).to_be_visible()


def sureness(row: Locator) -> int:
    """How sure the model is of a segment, in per cent."""
    return int(re.findall(r"(\d+)\s%", row.inner_text())[0])


def recording(page: Page, *, correct: bool = False) -> None:
    """A recording in the middle, with a correction."""
    expect(page.locator("tbody tr").first).to_be_visible()
    if correct:
        rows = page.locator("tr", has_text="%").all()
        row = min(rows, key=sureness)
        heard = row.locator("td").nth(1).inner_text().split()[-1]
        row.get_by_role("combobox").select_option("calm")
        row.get_by_role("button", name="add a note").click()
        page.get_by_role("dialog").get_by_role("textbox").fill(f"Tired, not {heard}.")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
    slider = page.get_by_role("slider", name="Position")
    slider.evaluate("e => { e.value = 19; e.dispatchEvent(new Event('input', {bubbles: true})) }")


def live(page: Page) -> None:
    """Half a minute of the talk."""
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(25_000)


def history(page: Page) -> None:
    """All there is."""
    expect(page.locator(".entry .strip")).to_have_count(2)


if __name__ == "__main__":
    main()
