"""The service's page: history, settings, and a service that asks for a key."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("playwright", reason="pages are opened with Playwright")

from playwright.sync_api import expect

from conversations import CLIP, conversation
from visited import Visited, eventually

NAMES = {"Interview Müller": "noisy room", "Call 7": "angry customer", "Lecture": "about rooms"}


@pytest.fixture(scope="module")
def browser_arguments():
    return ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    return conversation(tmp_path_factory.mktemp("recordings") / "talk.wav", 8)


@pytest.fixture
def recordings(service, talk):
    """Three that are analysed, by name; there are no others, whatever another test has left."""
    service.forget()
    return {name: service.analysed(talk, name=name, notes=NAMES[name], keep_audio="true")
            for name in NAMES}  # fmt: skip


def test_recordings_are_searched_and_filtered(visit, service, recordings):
    page = visit("history")
    expect(page.locator(".entry")).to_have_count(3)
    expect(page.locator(".entry .title")).to_have_text(["Lecture", "Call 7", "Interview Müller"])
    search = page.get_by_label("Search names and notes")
    for words, wanted in (
        ("müll", ["Interview Müller"]), ("angry cust", ["Call 7"]), ("room", ["Lecture",
        "Interview Müller"]), ("nothing such", []),
    ):  # fmt: skip
        search.fill(words)
        expect(page.locator(".entry .title")).to_have_text(wanted)
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".entry")).to_have_count(3)

    segments = recordings["Call 7"]["timeline"]["segments"]
    heard = {each.get("emotion") for each in segments} - {None}
    missing = next(e for e in service.get("/v1/service")["emotions"] if e not in heard)
    page.get_by_label("Emotion").select_option(missing)
    expect(page.locator(".entry")).to_have_count(0)
    page.get_by_label("Emotion").select_option(next(iter(heard)))
    expect(page.locator(".entry")).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("State").select_option("failed")
    expect(page.locator(".entry")).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".entry")).to_have_count(3)
    page.get_by_label("From").fill("2099-01-01")
    expect(page.locator(".entry")).to_have_count(0)
    page.get_by_label("From").fill("2020-01-01")
    expect(page.locator(".entry")).to_have_count(3)
    page.get_by_label("To", exact=True).fill("2020-01-02")
    expect(page.locator(".entry")).to_have_count(0)


def test_a_long_history_comes_in_parts(visit, service, recordings):
    page = visit()
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "/v1/analyses?" in r.url else None)

    def pages(route):
        # Parts of two of what there is, so that three are enough.
        route.continue_(url=route.request.url.replace("limit=25", "limit=2"))

    page.route("**/v1/analyses?*", pages)
    page.get_by_role("link", name="History").click()
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.get_by_text("3 recordings")).to_be_visible()
    page.get_by_role("button", name="More").click()
    expect(page.locator(".entry")).to_have_count(3)
    expect(page.get_by_role("button", name="More")).to_have_count(0)
    assert any("cursor=" in url for url in asked)


def test_without_storage_the_page_works_and_the_key_is_held_until_it_is_left(
    visit, locked, browser
):
    service, key = locked
    context = browser.new_context()
    context.add_init_script(
        """for (const name of ["sessionStorage", "localStorage"])
            Object.defineProperty(window, name, {get() {
                throw new DOMException("Access is denied for this document.", "SecurityError");
            }});"""
    )
    page = context.new_page()
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(service.address)
    enter(page, key)
    page.get_by_role("link", name="History").click()
    expect(page.locator("h1")).to_have_text("History")
    forget_the_key(page)
    enter(page, key)
    page.reload()
    expect(page.get_by_role("heading", name="This service asks for a key")).to_be_visible()
    assert trouble == []
    context.close()


class Many:
    """Answers for a service with hundreds of recordings that wait; `all` may change meanwhile."""

    def __init__(self, page, template, count):
        self.all = [
            {**template, "id": f"id{n}", "name": f"Call {n:03}", "state": "queued"}
            for n in range(count)
        ]
        self.asked = 0
        page.route("**/v1/analyses?*", self.list)
        page.route("**/v1/analyses/id*", self.delete)

    def list(self, route):
        asked = parse_qs(urlsplit(route.request.url).query)
        limit, after = int(asked["limit"][0]), asked.get("cursor", ["Call"])[0]
        assert limit <= 200
        rest = [each for each in self.all if each["name"] > after]
        items = rest[:limit]
        cursor = items[-1]["name"] if len(rest) > limit else None
        self.asked += 1
        route.fulfill(json={"items": items, "next": cursor, "total": len(self.all)})

    def delete(self, route):
        self.let_go(route.request.url.rpartition("/")[2])
        route.fulfill(status=204)

    def let_go(self, id_):
        self.all = [each for each in self.all if each["id"] != id_]

    def again(self, page):
        """Wait until the page has asked anew, and shown what it was told."""
        before = self.asked
        eventually(page, lambda: self.asked > before + 1)


def test_hundreds_of_recordings_stay_while_some_are_worked_on(visit, service, recordings):
    page = visit()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    many = Many(page, service.get("/v1/analyses")["items"][0], 400)
    page.get_by_role("link", name="History").click()
    for count in range(25, 250, 25):
        expect(page.locator(".entry")).to_have_count(count)
        if count < 225:
            page.get_by_role("button", name="More").click()
    many.again(page)
    expect(page.locator(".entry")).to_have_count(225)
    # What becomes of them is seen, also far below; what was deleted elsewhere is not.
    many.all[210] = {**many.all[210], "state": "cancelled"}
    many.let_go("id3")
    expect(page.locator(".entry").filter(has_text="Call 003")).to_have_count(0)
    expect(page.locator(".entry").filter(has_text="Call 210")).to_contain_text("stopped")
    expect(page.get_by_text("399 recordings")).to_be_visible()
    # What is far below is over: only the beginning is asked for.
    many.all[:200] = [{**each, "state": "queued"} for each in many.all[:200]]
    many.all[200:] = [{**each, "state": "done"} for each in many.all[200:]]
    page.get_by_role("button", name="Delete Call 220").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".entry").filter(has_text="Call 220")).to_have_count(0)
    many.again(page)
    expect(page.locator(".entry").filter(has_text="Call 220")).to_have_count(0)
    shown = page.locator(".entry").count()
    assert shown > 200
    page.get_by_role("button", name="More").click()
    expect(page.locator(".entry")).to_have_count(shown + 25)
    named = page.locator(".entry .title").all_inner_texts()
    assert named == [each["name"] for each in many.all[: shown + 25]]
    # Another question is another list.
    page.get_by_label("State").select_option("queued")
    expect(page.locator(".entry")).to_have_count(25)


def test_progress_of_jobs_is_followed(visit, service, recordings, tmp_path):
    long = conversation(tmp_path / "long.wav", 1200)
    # A browser may take longer to open the page than the service to hear minutes of sound.
    page = visit()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    made = service.send("/v1/analyses", long, name="In work")
    page.get_by_role("link", name="History").click()
    entry = page.locator(".entry").filter(has_text="In work")
    expect(entry.get_by_role("progressbar")).to_be_visible()
    expect(entry.locator(".strip")).to_be_visible(timeout=120_000)
    expect(entry.get_by_role("progressbar")).to_have_count(0)
    page.get_by_role("button", name="Delete In work").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(entry).to_have_count(0)
    assert made["id"] not in [each["id"] for each in service.get("/v1/analyses")["items"]]


def test_a_slow_answer_is_waited_for(visit, service, recordings, tmp_path):
    """Longer than the page waits before it asks again how far a recording is."""
    long = conversation(tmp_path / "long.wav", 1200)
    page = visit()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    made = service.send("/v1/analyses", long, name="In work")
    asked = []

    def late(route):
        asked.append(route)
        if len(asked) == 1:
            route.continue_()

    page.route("**/v1/analyses?*", late)
    page.get_by_role("link", name="History").click()
    entry = page.locator(".entry").filter(has_text="In work")
    expect(entry.get_by_role("progressbar")).to_be_visible()
    service.cancel(made["id"])
    eventually(page, lambda: len(asked) > 1)
    page.wait_for_timeout(2000)  # in which it would ask again
    asked[1].continue_()
    expect(entry.get_by_text("stopped")).to_be_visible()


def test_an_answer_that_never_comes_is_given_up(visit, service, recordings, tmp_path):
    """After a minute, here after two seconds: what follows is asked for all the same."""
    long = conversation(tmp_path / "long.wav", 1200)
    page = visit(expected=["net::ERR_"])
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    page.evaluate(
        """() => {
            const whole = window.setTimeout.bind(window);
            window.setTimeout = (call, time, ...rest) =>
                whole(call, time === 60_000 ? 2_000 : time, ...rest);
        }"""
    )
    made = service.send("/v1/analyses", long, name="In work")
    asked = []

    def stuck(route):
        asked.append(route)
        if len(asked) != 2:
            route.continue_()

    page.route("**/v1/analyses?*", stuck)
    page.get_by_role("link", name="History").click()
    entry = page.locator(".entry").filter(has_text="In work")
    expect(entry.get_by_role("progressbar")).to_be_visible()
    eventually(page, lambda: len(asked) > 1)
    service.cancel(made["id"])
    expect(entry.get_by_text("stopped")).to_be_visible()
    expect(page.get_by_text("The service cannot be reached.")).to_be_visible()


def test_corrections_are_exported_to_train_with(visit, service, recordings, tmp_path):
    page = visit(f"recordings/{recordings['Lecture']['id']}")
    label = page.locator("tbody tr").first.get_by_role("combobox")
    label.select_option("surprised")
    expect(page.get_by_text("With 1 corrected label")).to_be_visible()
    page.get_by_role("link", name="History").click()
    entry = page.locator(".entry").filter(has_text="Lecture")
    expect(entry).to_contain_text("1 label corrected")
    made = service.get(f"/v1/analyses/{recordings['Lecture']['id']}?timeline=false")
    for name in made["summary"]["shares"]:  # each by its name, not the first few
        expect(entry.locator(".glance p")).to_contain_text(name)
    page.get_by_label("Corrected to").select_option("surprised")
    expect(page.locator(".entry")).to_have_count(1)
    with page.expect_download() as coming:
        page.get_by_role("button", name="Corrections").click()
    coming.value.save_as(tmp_path / "corrections.zip")
    with zipfile.ZipFile(tmp_path / "corrections.zip") as archive:
        manifest = archive.read("manifest.csv").decode()
        assert manifest.splitlines()[1].startswith("clips/")
        assert "surprised" in manifest


def test_settings_hold_and_are_used(visit, service, talk):
    page = visit("settings")
    page.get_by_label("Keep the audio of new recordings").check()
    page.get_by_label("Channels of a recording").select_option("split")
    threshold = page.get_by_role("slider", name="Uncertain below")
    for _ in range(6):
        threshold.press("ArrowRight")
    expect(threshold).to_have_attribute("aria-valuetext", "30\u00a0%")
    page.reload()
    expect(page.get_by_label("Keep the audio of new recordings")).to_be_checked()
    page.get_by_role("link", name="Hear").click()
    page.get_by_text("Timeline", exact=True).click()
    page.locator("input[type=file]").first.set_input_files(str(talk))
    page.wait_for_url("**/#/recordings/*")
    expect(page.get_by_role("heading", name="Segments")).to_be_visible(timeout=120_000)
    made = service.get(f"/v1/analyses/{page.url.rpartition('/')[2]}")
    assert made["has_audio"]
    assert made["options"]["channels"] == "split"
    page.get_by_role("combobox", name="Show").select_option("uncertain")
    low = [each for each in made["timeline"]["segments"] if each.get("confidence", 1) < 0.3]
    expect(page.locator("tbody tr")).to_have_count(len(low))


def test_the_theme_is_chosen(visit):
    page = visit("settings", color_scheme="light")

    def brightness():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(",")))

    eventually(page, lambda: brightness() > 600)
    page.get_by_text("Dark", exact=True).click()
    eventually(page, lambda: brightness() < 200)
    page.reload()
    expect(page.locator("h1")).to_have_text("Settings")
    assert brightness() < 200
    page.get_by_text("As the system").click()
    eventually(page, lambda: brightness() > 600)


def new_key(folder, name):
    command = [sys.executable, "-m", "emotone", "server", "keys", "create", name]
    made = subprocess.run(
        [*command, "--folder", str(folder)], check=True, capture_output=True, text=True
    )
    return made.stdout.strip()


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A service that asks for a key, and one that may read and write."""
    folder = tmp_path_factory.mktemp("locked")
    key = new_key(folder, "page")
    started = Visited(folder, "--host", "0.0.0.0")
    yield started, key
    started.stop()


@pytest.fixture(scope="module")
def other_key(locked):
    """Of somebody else."""
    return new_key(locked[0].folder, "other")


def enter(page, key):
    """Give the key that is asked for."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("The key is right.")).to_be_visible()


def forget_the_key(page):
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Forget it now").click()
    expect(page.get_by_role("heading", name="This service asks for a key")).to_be_visible()


def test_a_key_is_asked_for_and_kept_in_the_tab(visit, locked, talk):
    service, key = locked
    page = visit(at=service.address, expected=["status of 401"])
    expect(page.get_by_role("heading", name="This service asks for a key")).to_be_visible()
    page.get_by_label("API key").fill("emo_wrong")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".message.bad")).to_be_visible()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    # Audio and events are asked for with the key, too.
    page.evaluate(
        """() => localStorage.setItem("emotone.preferences",
            JSON.stringify({greeted: true, keepAudio: true}))"""
    )
    page.reload()
    page.get_by_text("Timeline", exact=True).click()
    page.locator("input[type=file]").first.set_input_files(str(talk))
    expect(page.get_by_role("heading", name="Segments")).to_be_visible(timeout=120_000)
    page.reload()
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".times")).not_to_contain_text("0:00.0 /")
    # A live session is told the key by its first message.
    page.get_by_role("link", name="Live").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Connected")).to_be_visible()
    # Nothing of it is in an address or stays when the tab is gone.
    assert key not in page.url
    assert page.evaluate("JSON.stringify(localStorage)").count(key) == 0
    forget_the_key(page)


@pytest.mark.parametrize("how", ["forgotten", "revoked"])
def test_who_comes_next_finds_nothing_of_who_was_there(visit, locked, other_key, how):
    service, key = locked
    page = visit(at=service.address, expected=["status of 401", "status of 422"])
    enter(page, key)
    page.locator("input[type=file]").first.set_input_files(str(CLIP))
    expect(page.get_by_role("article").locator(".verdict")).to_be_visible()
    page.get_by_role("article").get_by_role("button", name="Timeline").click()
    expect(page.get_by_role("heading", name="Segments")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    mine = page.url
    page.get_by_role("link", name="History").click()
    bad = {"error": {"code": "bad", "message": "no corrections of talk", "remedy": None}}
    page.route("**/corrections/export", lambda route: route.fulfill(status=422, json=bad))
    page.get_by_role("button", name="Corrections").click()
    expect(page.locator(".message.bad")).to_be_visible()
    if how == "forgotten":
        forget_the_key(page)
        expect(page.locator(".message")).to_have_count(0)
    else:
        none = {"error": {"code": "unauthorised", "message": "no such key", "remedy": None}}
        page.route("**/v1/analyses?*", lambda route: route.fulfill(status=401, json=none), times=1)
        page.get_by_label("State").select_option("done")
    enter(page, other_key)
    expect(page.locator(".message")).to_have_count(1)
    page.get_by_role("link", name="Hear").click()
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)
    # Nor did the tab keep the sound, which nobody else has.
    forget_the_key(page)
    enter(page, key)
    page.goto(mine)
    expect(page.get_by_role("heading", name="Segments")).to_be_visible()
    expect(page.get_by_role("button", name="Play")).to_have_count(0)


def test_nothing_is_sent_in_the_name_of_who_comes_next(visit, locked, other_key, talk, tmp_path):
    service, key = locked
    page = visit(at=service.address, expected=["status of 401"])
    enter(page, key)
    asked, given_up = [], []
    page.on("requestfailed", lambda request: given_up.append(request.method))
    page.route("**/v1/analyses", lambda route: asked.append(route))
    page.get_by_text("Timeline", exact=True).click()
    page.locator("input[type=file]").first.set_input_files([str(talk), str(CLIP)])
    eventually(page, lambda: asked)
    forget_the_key(page)
    eventually(page, lambda: "POST" in given_up)
    enter(page, other_key)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("0 recordings")).to_be_visible()
    assert len(asked) == 1


def test_what_is_sent_whole_stays_with_whose_it_is(visit, locked, other_key):
    service, key = locked
    page = visit(at=service.address, expected=["status of 401"])
    enter(page, key)
    page.get_by_text("Timeline", exact=True).click()
    with service.frozen():
        page.locator("input[type=file]").first.set_input_files(str(CLIP))
        expect(page.get_by_text("Listening …")).to_be_visible()
        forget_the_key(page)
    deletions = []
    page.on("request", lambda r: deletions.append(r.url) if r.method == "DELETE" else None)
    enter(page, other_key)
    page.get_by_role("link", name="Hear").click()
    page.wait_for_timeout(500)  # in which it would be shown or deleted
    expect(page.locator("h1")).to_have_text("Hear the emotion in a voice")
    expect(page.get_by_role("article")).to_have_count(0)
    assert deletions == []
