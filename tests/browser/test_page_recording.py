"""The service's page: a recording, from its upload to its deletion."""

from __future__ import annotations

import csv
import json
import re
import time
from datetime import datetime

import pytest

pytest.importorskip("playwright", reason="pages are opened with Playwright")

from playwright.sync_api import expect

from conversations import conversation
from visited import eventually


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A talk on one channel and a call on two."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        "talk": conversation(folder / "talk.wav", 45),
        "call": conversation(folder / "call.wav", 20, channels=2),
    }


@pytest.fixture(scope="module")
def talk(service, files):
    """The talk, analysed, its audio kept."""
    return service.analysed(files["talk"], name="Talk", keep_audio="true")


def shown(page):
    """Wait until the charts of a recording are there."""
    expect(page.get_by_role("heading", name="Segments")).to_be_visible(timeout=120_000)
    expect(page.locator(".plot canvas").first).to_be_visible()
    # The sound comes after the rest, and with it the waveform.
    expect(page.get_by_text("Mel spectrogram")).to_be_visible()


def position(page):
    return float(page.get_by_role("slider", name="Position").input_value())


def stands(page, time, abs=0.01):
    """Wait until the cursor is at a time."""
    eventually(page, lambda: position(page) == pytest.approx(time, abs=abs))


def click(picture, share):
    """Into a picture, so far to the right."""
    width = picture.bounding_box()["width"]
    picture.click(position={"x": width * share, "y": 10}, force=True)


def speech(analysis):
    return [each for each in analysis["timeline"]["segments"] if each["kind"] == "speech"]


def pixels(page, number):
    return page.locator(".plot canvas").nth(number).evaluate("canvas => canvas.toDataURL()")


def redrawn(page, *before):
    """Wait for another first chart than these; gives it."""
    eventually(page, lambda: pixels(page, 0) not in before)
    return pixels(page, 0)


def beginning(page):
    """How far the waveform is scrolled, in pixels."""
    return page.locator(".waveform > div").evaluate(
        "host => host.shadowRoot.querySelector('.scroll').scrollLeft"
    )


def test_a_recording_is_uploaded_followed_and_shown(visit, service, files):
    page = visit()
    page.locator("input[type=file]").first.set_input_files(str(files["talk"]))
    page.wait_for_url("**/#/recordings/*")
    shown(page)
    expect(page.locator("h1")).to_have_text("talk")
    id_ = page.url.rpartition("/")[2]
    made = service.get(f"/v1/analyses/{id_}")
    rows = page.locator("tbody tr")
    listed = [each for each in made["timeline"]["segments"] if each["kind"] != "silence"]
    expect(rows).to_have_count(len(listed))
    for row, segment in zip(rows.all(), listed, strict=True):
        expect(row).to_contain_text(segment.get("emotion", segment["kind"]))
    shares = page.get_by_role("list", name="Share of speech of each emotion")
    for name, share in made["summary"]["shares"].items():
        expect(shares).to_contain_text(name)
        expect(shares).to_contain_text(f"{round(100 * share)}\u00a0%")
    # It was not to be kept, and the file of the tab plays all the same.
    assert not made["has_audio"]
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".times")).not_to_contain_text("0:00.0 /")


def test_progress_is_shown_while_it_is_heard(visit, service, tmp_path):
    # A browser may take longer to open the page than the service to hear minutes of sound.
    page = visit()
    long = service.send("/v1/analyses", conversation(tmp_path / "long.wav", 1200), name="Long")
    page.goto(f"{service.address}/#/recordings/{long['id']}")
    progress = page.get_by_role("progressbar", name="Progress")
    expect(progress).to_be_visible()
    seen = set()

    def over():
        value = page.evaluate("document.querySelector('progress')?.value ?? null")
        seen.add(value)
        return value is None or len(seen) == 3

    eventually(page, over, 300)
    assert len(seen - {None}) >= 2
    shown(page)


def test_an_analysis_is_stopped(visit, service, tmp_path):
    page = visit()
    long = service.send("/v1/analyses", conversation(tmp_path / "long.wav", 1200), name="Long")
    page.goto(f"{service.address}/#/recordings/{long['id']}")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("It was stopped before it was done.")).to_be_visible()
    assert service.get(f"/v1/analyses/{long['id']}")["state"] == "cancelled"


def test_the_cursor_the_table_and_the_player_go_together(visit, talk):
    page = visit(f"recordings/{talk['id']}")
    shown(page)
    second = speech(talk)[1]
    page.locator("tbody tr").nth(1).get_by_role("button").click()
    stands(page, second["start"])
    expect(page.locator("tr[aria-current]")).to_have_count(1)
    expect(page.locator("tbody tr").nth(1)).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("slider", name="Position")).to_have_attribute(
        "aria-valuetext", re.compile(second["emotion"])
    )
    # A click into a chart goes there, and so does one into the waveform.
    click(page.locator(".plot").first, 1 / 3)
    stands(page, talk["duration_s"] / 3, abs=0.2)
    click(page.locator(".waveform"), 1 / 4)
    stands(page, talk["duration_s"] / 4, abs=0.2)
    # Playing moves the cursor, and the table with it.
    page.locator("tbody tr").nth(1).get_by_role("button").click()
    stands(page, second["start"])
    page.locator("h1").click()
    page.keyboard.press(" ")
    third = speech(talk)[2]
    eventually(page, lambda: position(page) >= third["start"] - 0.01)
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    # However far it came until it was stopped.
    at = position(page)
    listed = [each for each in talk["timeline"]["segments"] if each["kind"] != "silence"]
    here = [i for i, each in enumerate(listed) if each["start"] <= at + 0.0015 < each["end"]]
    expect(page.locator("tr[aria-current]")).to_have_count(len(here))
    for row in here:
        expect(page.locator("tbody tr").nth(row)).to_have_attribute("aria-current", "true")
    cursor = page.locator(".plot .cursor").first.evaluate("element => element.style.left")
    assert float(cursor.rstrip("%")) == pytest.approx(100 * at / talk["duration_s"], abs=0.3)


def test_kept_audio_plays_by_parts(visit, talk, service):
    page = visit()
    asked = []
    page.on("request", lambda r: asked.append(r.all_headers()) if "/audio" in r.url else None)
    page.goto(f"{service.address}/#/recordings/{talk['id']}")
    shown(page)
    page.get_by_role("slider", name="Position").press("Shift+ArrowRight")
    stands(page, 10)
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > 10.1)
    eventually(page, lambda: any("range" in headers for headers in asked))


def test_zoom_shows_a_part_in_all_charts(visit, talk):
    page = visit(f"recordings/{talk['id']}")
    shown(page)
    whole = pixels(page, 0)
    page.get_by_role("button", name="Zoom in").click()
    closer = redrawn(page, whole)
    # The wheel goes sideways, the waveform with the charts.
    page.locator(".plot").first.hover(position={"x": 200, "y": 10})
    page.mouse.wheel(400, 0)
    redrawn(page, closer, whole)
    eventually(page, lambda: beginning(page) > 100)
    page.get_by_role("button", name="Whole").click()
    eventually(page, lambda: pixels(page, 0) == whole)


def test_what_is_looked_at_stays_when_the_sound_arrives(visit, talk, service):
    page = visit()
    held = []
    page.route("**/tracks", lambda route: held.append(route))
    page.goto(f"{service.address}/#/recordings/{talk['id']}")
    page.get_by_role("button", name="Zoom in").click()
    page.locator(".plot").first.hover(position={"x": 200, "y": 10})
    page.mouse.wheel(200, 0)
    eventually(page, lambda: beginning(page) > 150)
    before = beginning(page)
    eventually(page, lambda: held)
    held[0].continue_()
    shown(page)
    expect(page.locator(".waveform .canvases canvas")).not_to_have_count(0)
    eventually(page, lambda: beginning(page) == pytest.approx(before, abs=2))


def test_a_pointer_is_told_what_lies_under_it(visit, talk):
    page = visit(f"recordings/{talk['id']}")
    shown(page)
    segment = speech(talk)[0]
    middle = (segment["start"] + segment["end"]) / 2
    plot = page.locator(".plot").first
    place = plot.bounding_box()["width"] * middle / talk["duration_s"]
    plot.hover(position={"x": place, "y": 10})
    sure = f"{segment['emotion']} {round(100 * segment['confidence'])}\u00a0%"
    expect(page.locator(".tip")).to_contain_text(sure)


def test_channels_have_lanes_of_their_own(visit, service, files):
    call = service.analysed(files["call"], name="Call", channels="split")
    page = visit(f"recordings/{call['id']}")
    shown(page)
    for wanted in ("Channel 0", "Channel 1", "Scores of channel 0", "Scores of channel 1"):
        caption = page.locator(".timeline figcaption").get_by_text(wanted, exact=True)
        expect(caption).to_be_visible()
    expect(page.locator(".waveform .canvases canvas")).to_have_count(2)
    voices = page.locator("tbody td:nth-child(3)").all_inner_texts()
    assert set(voices) >= {"Channel 0", "Channel 1"}
    # Nobody keeps its sound; the person's own file plays.
    expect(page.get_by_role("button", name="Play")).to_have_count(0)
    page.locator("input[type=file]").set_input_files(str(files["call"]))
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".times")).not_to_contain_text("0:00.0 /")


def test_a_label_is_corrected_in_place_and_taken_back(visit, service, files):
    made = service.analysed(files["talk"], name="To correct")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    before = pixels(page, 0)
    segment = speech(made)[0]
    wrong = "calm" if segment["emotion"] != "calm" else "happy"
    page.locator("tbody tr").first.get_by_role("combobox").select_option(wrong)
    expect(page.get_by_text("With 1 corrected label")).to_be_visible()

    def stored(**wanted):
        """Wait until the service has it so: the page shows a choice before it is sent."""

        def holds():
            whole = service.get(f"/v1/analyses/{made['id']}")["timeline"]["segments"]
            return wanted.items() <= whole[segment["index"]].items()

        eventually(page, holds)

    stored(label=wrong, emotion=segment["emotion"])
    redrawn(page, before)
    # What is counted follows, and the model's own stands beside it.
    counted = service.get(f"/v1/analyses/{made['id']}?timeline=false")
    changes = page.get_by_label("Summary").locator("div", has_text="Changes").locator("dd").first
    expect(changes).to_have_text(f"{counted['summary']['changes_per_minute']:.1f}")
    expect(page.locator(".peaks")).to_contain_text(wrong)
    alone = page.get_by_text("The model alone:").inner_text()
    assert set(re.findall("[a-z]+(?= [0-9])", alone.rpartition(":")[2])) == set(
        made["summary"]["shares"]
    )
    row = page.locator("tbody tr").first
    row.get_by_role("button", name="add a note").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("She laughs.")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(row.get_by_role("button", name="She laughs.")).to_be_visible()
    stored(label=wrong, label_note="She laughs.")
    page.reload()
    shown(page)
    expect(row.get_by_role("combobox")).to_have_value(wrong)
    expect(row.get_by_role("button", name="She laughs.")).to_be_visible()
    expect(row).to_contain_text(segment["emotion"])  # the model's answer is kept beside
    expect(row.locator(".overruled")).to_have_count(1)
    row.get_by_role("combobox").select_option(segment["emotion"])  # which confirms it
    expect(page.get_by_text("corrected label")).to_have_count(0)
    expect(row.locator(".overruled")).to_have_count(0)
    stored(label=segment["emotion"])
    row.get_by_role("combobox").select_option(wrong)
    page.get_by_role("combobox", name="Show").select_option("corrected")
    expect(page.locator("tbody tr")).to_have_count(1)
    row.get_by_role("combobox").select_option("")
    expect(page.get_by_text("There are none.")).to_be_visible()
    stored(label=None)


def test_the_last_of_two_quick_corrections_stays(visit, service, files):
    """However the requests overtake each other on their way."""
    made = service.analysed(files["talk"], name="Changed twice")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    own = speech(made)[0]
    first, last = [name for name in ("calm", "happy", "sad") if name != own["emotion"]][:2]
    held, holds = [], True
    page.route("**/segments/*", lambda route: held.append(route) if holds else route.continue_())
    label = page.locator("tbody tr").first.get_by_role("combobox")
    with page.expect_request("**/segments/*"):
        label.select_option(first)
    label.select_option(last)
    page.wait_for_timeout(300)  # in which a second request would be on its way
    holds = False  # before the first is answered, after which the second comes
    for route in reversed(held):
        route.continue_()
    page.get_by_role("link", name="History").click()  # which tells of what was sent before it
    entry = page.locator(".entry").filter(has_text="Changed twice")
    expect(entry).to_contain_text("1 label corrected")
    expect(entry.locator(".glance p")).to_contain_text(last)
    found = service.get(f"/v1/analyses/{made['id']}")["timeline"]["segments"]
    assert found[own["index"]]["label"] == last


def test_a_correction_that_is_refused_leaves_what_was_stored(visit, service, files):
    made = service.analysed(files["talk"], name="Refused once")
    page = visit(f"recordings/{made['id']}", expected=["500", "status of 500"])
    shown(page)
    own = speech(made)[0]["emotion"]
    first, last = [name for name in ("calm", "happy", "sad") if name != own][:2]
    label = page.locator("tbody tr").first.get_by_role("combobox")
    with page.expect_response("**/segments/*"):
        label.select_option(first)
    page.route("**/segments/*", lambda route: route.fulfill(status=500, body="no"))
    with page.expect_response("**/segments/*"):
        label.select_option(last)
    expect(page.get_by_text("The service answered with status 500.")).to_be_visible()
    expect(label).to_have_value(first)


def test_a_correction_stays_when_a_name_is_stored_after_it(visit, service, files):
    made = service.analysed(files["talk"], name="To be named")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    own = speech(made)[0]["emotion"]
    wrong = "calm" if own != "calm" else "happy"
    held = []
    page.route(f"**/analyses/{made['id']}**", lambda route: held.append(route))
    page.get_by_role("button", name="Name and notes").click()
    page.get_by_label("Name", exact=True).fill("Named")
    page.get_by_role("button", name="Save").click()
    eventually(page, lambda: held)
    label = page.locator("tbody tr").first.get_by_role("combobox")
    label.select_option(wrong)
    expect(page.get_by_text("With 1 corrected label")).to_be_visible()
    held[0].continue_()
    expect(page.locator("h1")).to_have_text("Named")
    eventually(page, lambda: len(held) == 2)  # the correction is on its way
    expect(label).to_have_value(wrong)
    expect(page.get_by_text("With 1 corrected label")).to_be_visible()


def test_what_is_counted_follows_the_last_of_several_corrections(visit, service, files):
    """However late an earlier answer comes."""
    made = service.analysed(files["talk"], name="Counted")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    held = []
    page.route("**?timeline=false", lambda route: held.append(route))
    labels = page.locator("select.label")
    for row, segment in enumerate(speech(made)[:2]):
        wrong = "calm" if segment["emotion"] != "calm" else "happy"
        labels.nth(row).select_option(wrong)
        eventually(page, lambda row=row: len(held) == row + 1)
        if not row:
            first = held[0].fetch()  # what is counted by now
    with page.expect_response("**?timeline=false"):
        held[1].continue_()
    counted = service.get(f"/v1/analyses/{made['id']}?timeline=false")
    shares = page.get_by_role("list", name="Share of speech of each emotion")
    told = [f"{name}{round(100 * share)}\u00a0%" for name, share in
            sorted(counted["summary"]["shares"].items(), key=lambda one: -one[1])]  # fmt: skip
    expect(shares.get_by_role("listitem")).to_contain_text(told)
    with page.expect_response("**?timeline=false"):
        held[0].fulfill(response=first)
    page.wait_for_timeout(300)  # in which it would be shown
    expect(shares.get_by_role("listitem")).to_contain_text(told)


def test_how_long_a_recording_is_kept_is_chosen(visit, service, files):
    page = visit()
    page.get_by_label("Keep its audio").check()
    page.get_by_label("Keep its timeline").select_option("for 7 days")
    page.locator("input[type=file]").first.set_input_files(str(files["talk"]))
    page.wait_for_url("**/#/recordings/*")
    shown(page)
    made = service.get(f"/v1/analyses/{page.url.rpartition('/')[2]}?timeline=false")
    assert made["has_audio"]
    assert days_left(made) == pytest.approx(7, abs=0.01)
    expect(page.get_by_text("deleted in 7 days")).to_be_visible()
    page.get_by_role("button", name="Name and notes").click()
    page.get_by_label("Keep all of it").select_option("until it is deleted")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("deleted in 7 days")).to_have_count(0)
    assert service.get(f"/v1/analyses/{made['id']}?timeline=false")["expires_at"] is None
    # What was chosen holds for the next one too, in the settings as well.
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_label("Keep new recordings")).to_have_value("7")


def days_left(analysis):
    ends, made = (datetime.fromisoformat(analysis[at]) for at in ("expires_at", "created_at"))
    return (ends - made).total_seconds() / 86_400


def test_what_is_not_there_has_a_way_onward(visit):
    page = visit("recordings/0f8fad5b-d9cb-469f-a165-70867728950e", expected=["404 (Not Found)"])
    expect(page.get_by_text("There is no such analysis.")).to_be_visible()
    expect(page.get_by_text("It may have been deleted")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="All recordings").click()
    expect(page.locator("h1")).to_have_text("History")


def test_exports_are_files_that_can_be_opened(visit, service, files, tmp_path, browser):
    made = service.analysed(files["talk"], name="To export")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    segment = speech(made)[0]
    wrong = "calm" if segment["emotion"] != "calm" else "happy"
    page.locator("tbody tr").first.get_by_role("combobox").select_option(wrong)
    expect(page.get_by_text("With 1 corrected label")).to_be_visible()

    def export(format_, labels=None):
        page.get_by_text("Export", exact=True).click()
        if labels:
            page.get_by_text(labels).click()
        with page.expect_download() as coming:
            page.get_by_role("button", name=format_).click()
        path = tmp_path / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    table = export("Table (CSV)")
    assert table.suffix == ".csv"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(made["timeline"]["segments"])
    assert rows[segment["index"]]["emotion"] == wrong
    whole = json.loads(export("Everything (JSON)", "The model's").read_text())
    assert whole["segments"][segment["index"]]["emotion"] == segment["emotion"]
    assert 'class = "IntervalTier"' in export("Praat").read_text(encoding="utf-8")
    # The page that it exports opens by itself, without the service.
    report = export("Page with everything")
    opened = browser.new_page()
    opened.goto(report.as_uri())
    expect(opened.locator("#rows tr").nth(3)).to_be_visible()
    opened.close()


def test_an_export_is_named_as_the_recording_is(visit, service, files):
    made = service.analysed(files["call"], name="Интервью Мюллер")
    page = visit(f"recordings/{made['id']}")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Table (CSV)").click()
    assert coming.value.suggested_filename == "Интервью Мюллер.csv"


def test_name_and_notes_are_changed_and_audio_is_let_go(visit, service, files):
    made = service.analysed(files["call"], keep_audio="true")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    page.get_by_role("button", name="Name and notes").click()
    page.get_by_label("Name", exact=True).fill("Interview <b>4</b>")
    page.get_by_label("Notes").fill("noisy room\nsecond visit")
    page.get_by_label("Keep the audio").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("Interview <b>4</b>")
    expect(page.get_by_text("second visit")).to_be_visible()
    found = service.get(f"/v1/analyses/{made['id']}")
    assert found["name"] == "Interview <b>4</b>"
    assert found["notes"] == "noisy room\nsecond visit"
    assert not found["has_audio"]
    expect(page.get_by_text("The service keeps no audio of this recording.")).to_be_visible()


def test_audio_that_is_still_on_its_way_is_let_go_without_an_error(visit, service, files):
    made = service.analysed(files["call"], keep_audio="true")
    page = visit("history")
    asked, failed = [], []
    page.on("requestfailed", lambda request: failed.append(request))
    page.route("**/v1/analyses/*/audio", lambda route: asked.append(route))
    page.goto(f"{service.address}/#/recordings/{made['id']}")
    shown(page)
    eventually(page, lambda: asked)
    page.get_by_role("button", name="Name and notes").click()
    page.get_by_label("Keep the audio").uncheck()
    with page.expect_response(f"**/v1/analyses/{made['id']}"):
        page.get_by_role("button", name="Save").click()
    for route in asked:
        if route.request not in failed:  # the service has none by now, and says so
            route.continue_()
    expect(page.get_by_text("The service keeps no audio of this recording.")).to_be_visible()
    assert not service.get(f"/v1/analyses/{made['id']}")["has_audio"]
    page.wait_for_timeout(500)  # for a complaint


def let_go(page):
    """Tell the service to keep the audio no longer."""
    page.get_by_role("button", name="Name and notes").click()
    page.get_by_label("Keep the audio").uncheck()
    page.get_by_role("button", name="Save").click()


def test_audio_that_plays_is_let_go_and_ones_own_plays_in_its_place(visit, service, files):
    made = service.analysed(files["call"], keep_audio="true")
    page = visit(f"recordings/{made['id']}")
    shown(page)
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > 0.2)
    let_go(page)
    expect(page.get_by_text("The service keeps no audio of this recording.")).to_be_visible()
    page.locator("input[type=file]").set_input_files(str(files["call"]))
    before = position(page)
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > before + 0.2)


def test_audio_that_was_about_to_play_is_let_go_without_an_error(visit, service, files):
    made = service.analysed(files["call"], keep_audio="true")
    page = visit("history")
    page.route("**/v1/analyses/*/audio", lambda route: None)  # it never comes
    page.goto(f"{service.address}/#/recordings/{made['id']}")
    shown(page)
    page.get_by_role("button", name="Play").click()
    let_go(page)
    expect(page.get_by_text("The service keeps no audio of this recording.")).to_be_visible()
    expect(page.get_by_text("cannot play")).to_have_count(0)


def test_ones_own_file_plays_on_while_the_services_copy_is_let_go(visit, service, files):
    page = visit(preferences={"keepAudio": True})
    page.get_by_text("Timeline", exact=True).click()
    page.locator("input[type=file]").first.set_input_files(str(files["talk"]))
    shown(page)
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > 0.2)
    let_go(page)
    expect(page.get_by_label("Keep the audio")).to_have_count(0)
    before = position(page)
    eventually(page, lambda: position(page) > before + 0.5)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_audio_that_was_not_deleted_after_all_is_there_again(visit, service, files):
    made = service.analysed(files["call"], keep_audio="true")
    page = visit(f"recordings/{made['id']}", expected=["status of 503"])
    shown(page)
    page.route(
        f"**/v1/analyses/{made['id']}",
        lambda route: (
            route.fulfill(status=503) if route.request.method == "PATCH" else route.continue_()
        ),
    )
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > 0.2)
    with page.expect_response("**/audio"):
        let_go(page)
    before = position(page)
    page.get_by_role("button", name="Play").click()
    eventually(page, lambda: position(page) > before + 0.2)
    assert service.get(f"/v1/analyses/{made['id']}")["has_audio"]


def test_a_recording_is_deleted_for_good(visit, service, files):
    made = service.analysed(files["call"], name="To delete", keep_audio="true")
    page = visit(f"recordings/{made['id']}", expected=["status of 404"])
    shown(page)
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this recording?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("To delete is deleted.")).to_be_visible()  # for some seconds
    page.wait_for_url("**/#/history")
    assert made["id"] not in [each["id"] for each in service.get("/v1/analyses")["items"]]
    page.goto(f"{service.address}/#/recordings/{made['id']}")
    expect(page.get_by_role("alert")).to_contain_text("There is no such analysis")


def test_a_service_that_goes_away_and_comes_back_is_waited_for(visit, service, tmp_path):
    # What the browser says of a connection that is gone is no fault of the page.
    page = visit(expected=["net::ERR_"])
    long = service.send("/v1/analyses", conversation(tmp_path / "long.wav", 1200), name="Long")
    page.goto(f"{service.address}/#/recordings/{long['id']}")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    service.kill()
    expect(page.get_by_text("The service cannot be reached; trying again")).to_be_visible()
    service.start()
    shown(page)
    expect(page.get_by_text("The service cannot be reached")).to_have_count(0)


@pytest.mark.parametrize(
    ("status", "told"),
    [(429, "asks to wait"), (502, "cannot be reached"), (504, "cannot be reached")],
)
def test_a_service_that_cannot_answer_for_a_moment_is_asked_again(
    visit, service, tmp_path, status, told
):
    """A proxy before it says so while it starts again, and itself where a key asks too much."""
    page = visit(expected=[f"status of {status}"])
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    refused_at, asked_at = [], []

    def refused(route):
        if refused_at:
            route.continue_()
            return
        refused_at.append(time.monotonic())
        headers = {"Retry-After": "4"} if status == 429 else {}
        route.fulfill(status=status, headers=headers, body="<html>Not now</html>")

    def asked(request):
        if refused_at and request.url.endswith(long["id"]):
            asked_at.append(time.monotonic())

    page.route("**/events", refused)
    long = service.send("/v1/analyses", conversation(tmp_path / "long.wav", 1200), name="Long")
    page.on("request", asked)
    page.goto(f"{service.address}/#/recordings/{long['id']}")
    expect(page.get_by_text(f"The service {told}; trying again")).to_be_visible()
    expect(page.get_by_text("trying again")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert asked_at[0] - refused_at[0] > (3.9 if status == 429 else 1.9)
    # It may be done by then, so it is only followed to its end.
    expect(page.get_by_role("group", name="Player")).to_be_visible(timeout=60_000)
