"""The page for a person: kept to this machine and this run, and used in a real browser."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect, sync_playwright

from harness.attendant import Attendance
from harness.drivers.driver import DriverOutcome, Operation, Outcome
from harness.loader import library_directory, load_file
from harness.model import Json, OperatorStep, Receive, Scenario
from harness.operator.desk import CaseLine, Desk
from harness.operator.page import Page
from harness.results import CaseResult, Verdict

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")
T = TypeVar("T")
HOSTILE = "<img src=x onerror=document.title='owned'>"


@dataclass
class Watched:
    """A case that shows nothing."""

    scenario: Scenario

    def so_far(self) -> CaseResult:
        """Return the case with no event."""
        one = self.scenario
        return CaseResult(
            case_id=one.id,
            title=one.title,
            profile=one.profile,
            requirement=one.requirement,
            position=one.position,
            identity="PF0007",
            verdict=Verdict.NOT_RUN,
            started_at=datetime.now(UTC),
        )


@dataclass
class Stage:
    """A desk with one case, on a loop of its own, and its page."""

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    desk: Desk = field(default_factory=lambda: Desk(sut_name=HOSTILE))

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        path = library_directory() / "core" / "TC_013_CSMS.yaml"
        self.case = load_file(path)
        self.desk.list_cases([CaseLine(self.case.id, HOSTILE), CaseLine("TC_014_CSMS", "Soft")])
        self.page = Page(self.desk)
        self.url = self.page.start()
        self.attendance: Attendance = self.run(self._attend())

    async def _attend(self) -> Attendance:
        return self.desk.attend("PF0007", Watched(self.case))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run on the desk's loop and wait."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=10)

    def ask(self, payload: dict[str, Json] | None = None) -> asyncio.Future[DriverOutcome]:
        """Ask for a Reset; the outcome comes later."""
        step = next(one for one in self.case.steps if isinstance(one, OperatorStep))
        receive = next(one for one in self.case.steps if isinstance(one, Receive))
        self.step = step

        async def begin() -> None:
            self.attendance.asks(step, receive, payload or {"type": "Hard"})

        self.run(begin())
        carried = self.desk.carry_out("PF0007", Operation.RESET)
        return asyncio.run_coroutine_threadsafe(carried, self.loop)  # type: ignore[return-value]

    def mispress(self, words: str) -> None:
        """Explain a wrong press."""

        async def begin() -> None:
            self.attendance.mispressed(self.step, words, 3)

        self.run(begin())

    def came(self) -> None:
        """Let the right frame come."""

        async def begin() -> None:
            self.attendance.came(self.step)

        self.run(begin())

    def end(self) -> None:
        """Close everything."""
        self.page.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(timeout=10)
        self.loop.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A desk with its page."""
    one = Stage()
    yield one
    one.end()


@pytest.fixture(scope="module")
def browser_pages() -> Iterator[BrowserPage]:
    """A page in Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_another_token_or_host_finds_nothing(stage: Stage) -> None:
    """Whoever does not know the address, or comes under another name, is turned away."""
    base = stage.url.rsplit("/", 2)[0]
    assert httpx.get(stage.url).status_code == 200
    assert httpx.get(f"{base}/guess/").status_code == 404
    assert httpx.get(f"{base}/").status_code == 404
    assert httpx.get(stage.url, headers={"Host": "evil.example"}).status_code == 421
    word = {"act": "skip", "reason": "x"}
    evil = {"Origin": "http://evil.example"}
    assert httpx.post(f"{stage.url}say", json=word, headers=evil).status_code == 403
    assert httpx.post(f"{stage.url}say", json={"act": "dance"}).status_code == 422


def test_the_browser_is_told_to_load_nothing_else(stage: Stage) -> None:
    """No script in the page, no address outside it, nothing kept."""
    answer = httpx.get(stage.url)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "<img" not in answer.text
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_a_person_is_led_through_a_case(stage: Stage, browser_pages: BrowserPage) -> None:
    """Asked, explained a wrong press, thanked by going on: live, and by the keyboard alone."""
    page, faults = browser_pages, list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(stage.url)
    outcome = stage.ask()
    expect(page.locator("h1")).to_have_text("Reset PF0007: Hard.")
    expect(page.locator(".left")).to_contain_text("14:5")
    stage.mispress("You sent Reset Soft; the case needs Hard.")
    expect(page.locator("p.wrong")).to_have_text("You sent Reset Soft; the case needs Hard.")
    page.keyboard.press("a")
    expect(page.locator("p.wrong")).to_have_count(0)
    stage.came()
    expect(page.locator("h1.idle")).to_be_visible()
    assert outcome.result(timeout=5).outcome is Outcome.DONE  # type: ignore[call-arg]
    assert faults == []
    assert page.title() != "owned"


def test_a_reason_is_typed_and_handed_on(stage: Stage, browser_pages: BrowserPage) -> None:
    """Skipping asks why; keys typed into the reason are no shortcuts."""
    page = browser_pages
    page.goto(stage.url)
    outcome = stage.ask()
    expect(page.locator("h1")).to_have_text("Reset PF0007: Hard.")
    page.keyboard.press("s")
    page.keyboard.type("cannot stop the queue")
    page.keyboard.press("Enter")
    found = outcome.result(timeout=5)  # type: ignore[call-arg]
    assert found == DriverOutcome(Outcome.SKIPPED, "cannot stop the queue")


def test_the_list_shows_verdicts_and_sounds_are_off(
    stage: Stage, browser_pages: BrowserPage
) -> None:
    """What ended is marked while the page is open."""
    page = browser_pages
    page.goto(stage.url)
    expect(page.locator("#sound")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#cases li.current .id")).to_have_text("TC_013")
    result = replace(Watched(stage.case).so_far(), verdict=Verdict.FAILED)
    stage.desk.note_result(result)
    expect(page.locator("#cases li.failed .id")).to_have_text("TC_013")
    expect(page.locator("#cases h2")).to_have_text("1 of 2 cases")


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_sticks_out(stage: Stage, browser_pages: BrowserPage, width: int) -> None:
    """Narrow and wide: the page never scrolls sideways, what is asked stands in large type."""
    page = browser_pages
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(stage.url)
    stage.ask({"type": "Hard"})
    expect(page.locator("h1")).to_have_text("Reset PF0007: Hard.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)")
    assert size >= 27
