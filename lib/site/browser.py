"""Chromium for tests and measurements: a page without a network, scrubbed by mouse, finger and keys, and timed.

with chromium() as browser, serve(folder) as address, visit(browser, address + "page.html") as seen:
    seen.page.click("button")
assert seen.clean()
"""

import functools
import hashlib
import http.server
import importlib
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("data:", "blob:", "file:", "about:")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


class BrowserMissing(RuntimeError):
    """A program or package that a browser test needs is not installed; the message says how to get it."""


def needed(module: str, what: str):
    """An imported module.

    Raises:
        BrowserMissing: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BrowserMissing(what) from error


def chromium_path() -> str:
    """The browser: the variable CHROMIUM if set, else the first known name on the path.

    Raises:
        BrowserMissing: if there is none.
    """
    named = os.environ.get("CHROMIUM")
    found = named or next((found for name in NAMES if (found := shutil.which(name))), None)
    if found is None:
        raise BrowserMissing(
            "Chromium is missing: install it (Debian: apt install chromium) or set CHROMIUM to its path"
        )
    return found


@contextmanager
def chromium():
    """A running browser.

    Raises:
        BrowserMissing: if Chromium or playwright is not installed.
    """
    path = chromium_path()
    playwright = needed("playwright.sync_api", "playwright is missing: pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def serve(folder: Path):
    """Address of a small web server over one folder, ending in a slash."""
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@dataclass
class Visit:
    """A page, what it asked of other hosts (refused), and what it complained about."""

    page: object
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def clean(self) -> bool:
        """No request to another host and no error; raises with the list otherwise."""
        assert not self.outside, f"requests to other hosts: {sorted(set(self.outside))}"
        assert not self.errors, f"errors on the page: {self.errors}"
        return True


@contextmanager
def visit(browser, address: str, **context):
    """Open a page with every other host cut off. ``context``: options of the browser context, e.g. ``**PHONE``."""
    home = "/".join(address.split("/", 3)[:3]) + "/"
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 1000}, **context})
    seen = Visit(opened.new_page())

    def gate(route):
        url = route.request.url
        if url.startswith((home, *LOCAL)):
            route.continue_()
        else:
            seen.outside.append(url)
            route.abort()

    seen.page.route("**/*", gate)
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)[:300]))
    seen.page.on("console", lambda message: message.type == "error" and seen.errors.append(message.text[:300]))
    try:
        seen.page.set_default_timeout(10_000)
        seen.page.set_default_navigation_timeout(60_000)  # a busy machine lays out a long page slowly
        seen.page.goto(address)
        yield seen
    finally:
        opened.close()


def pixels(page, selector: str = "canvas") -> str:
    """Fingerprint of what a canvas shows now."""
    code = """(s) => { const c = document.querySelector(s);
      return Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data); }"""
    settle(page)
    return hashlib.sha256(bytes(page.evaluate(code, selector))).hexdigest()[:16]


def settle(page) -> None:
    """Wait until the page has painted twice."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def finger(page, path: list[tuple[float, float]]) -> None:
    """Touch the first point, move along the others, lift."""
    protocol = page.context.new_cdp_session(page)

    def send(kind: str, points: list) -> None:
        protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(16)

    send("touchStart", [{"x": path[0][0], "y": path[0][1]}])
    for x, y in path[1:]:
        send("touchMove", [{"x": x, "y": y}])
    send("touchEnd", [])
    settle(page)


def middle(page, selector: str) -> tuple[float, float]:
    """Centre of an element, scrolled into view."""
    place = page.locator(selector).first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def too_wide(page) -> bool:
    """Whether the page must be scrolled sideways: wider than the screen, which a phone would hide by zooming out."""
    return page.evaluate("document.documentElement.scrollWidth") > page.viewport_size["width"]


def cut_off(page) -> list[str]:
    """Texts that reach beyond the frame of their widget, unless they stand in a part that scrolls."""
    return page.evaluate("""() => [...document.querySelectorAll(".dw")].flatMap((card) => {
      const right = card.getBoundingClientRect().right, scrolls = (e) => e !== card
        && (["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
      return [...card.querySelectorAll("*")].filter((e) => e.checkVisibility() && e.innerText?.trim()
        && e.getBoundingClientRect().right > right && !scrolls(e)).map((e) => e.innerText.trim().slice(0, 60));
    })""")


def axe_violations(page, selector: str | None = None, *, rules: Iterable[str] = ()) -> list[str]:
    """What axe-core finds on the page or in one part of it, a line for each rule; by all rules if none is named."""
    axe = needed("axe_playwright_python", "axe is missing: pip install axe-playwright-python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text("utf8"))
    code = """async ([s, rules]) => {
      const options = { resultTypes: ["violations"], ...(rules.length ? { runOnly: rules } : {}) };
      return (await axe.run(s ? { include: [s] } : document, options)).violations.map(
        (v) => `${v.id} (${v.impact}), ${v.nodes.length} times: ${v.nodes[0].html.slice(0, 160)}`);
    }"""
    return page.evaluate(code, [selector, list(rules)])


@dataclass
class Latency:
    """Milliseconds: until the input handler returns, and until the frame is painted."""

    handler: list[float]
    painted: list[float]

    @staticmethod
    def percentile(times: list[float], percent: float) -> float:
        """The value that ``percent`` of the times do not exceed."""
        return sorted(times)[min(len(times) - 1, int(percent / 100 * len(times)))]


def slider_latency(page, selector: str, num: int = 100) -> Latency:
    """Move a slider ``num`` times over its range and time each answer."""
    code = """async ([selector, num]) => {
      const slider = document.querySelector(selector), handler = [], painted = [];
      const low = Number(slider.min), high = Number(slider.max);
      const frame = () => new Promise((done) => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(0);
      }));
      for (let i = 0; i < num; i++) {
        slider.value = low + (high - low) * ((i * 0.6180339) % 1);
        const before = performance.now();
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        handler.push(performance.now() - before);
        painted.push((await frame()) - before);
        await new Promise((done) => setTimeout(done, 7 + ((i * 13) % 29)));
      }
      return [handler, painted];
    }"""
    return Latency(*page.evaluate(code, [selector, num]))
