"""Pages in a real browser: Debian's Chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium():
    """A headless Chromium; a skip with a reason where there is none, or no Playwright to drive it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("there is no Chromium on the path; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Opened:
    """A page that is open in a browser, with everything that it complained of or asked for.

    Attributes:
        page: Playwright's page.
        said: What went to the console, and errors that nothing caught.
        asked: Addresses of requests beside the page itself.
        dialogs: Messages of dialogs.
    """

    def __init__(self, browser, path, **settings):
        """Open a page, from disk or by its address, and wait until its script is through."""
        self.said, self.asked, self.dialogs = [], [], []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        address = path if path.startswith("http://") else f"file://{path}"
        self.page.on(
            "request",
            lambda one: None if one.url == address or one.url.startswith("data:") else self.asked.append(one.url),
        )
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")

    def close(self):
        """Close the page."""
        self.context.close()

    def until(self, expression, arg=None):
        """Wait until something is true. Playwright's own wait evaluates in the page again, which the page forbids."""
        for _ in range(1000):
            if self.page.evaluate(expression, arg):
                return
            self.page.wait_for_timeout(20)
        pytest.fail(f"this never became true: {expression}")

    def texts(self, selector):
        """The text of every element that is found."""
        return [one.strip() for one in self.page.locator(selector).all_inner_texts()]

    def set(self, selector, value):
        """Move a slider, as a finger would."""
        self.page.locator(selector).evaluate(
            "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', { bubbles: true })); }",
            str(value),
        )

    def passing(self):
        """How many images pass by the threshold explorer, once it has made up its mind."""
        self.page.evaluate("new Promise((done) => setTimeout(done, 0))")
        return int(self.page.locator("#explore-passing").inner_text().replace(",", ""))
