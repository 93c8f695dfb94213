"""How long until a page of the report can be used, in a real browser."""

from __future__ import annotations

import shutil
import time


def seconds_until_ready(address: str, times: int = 3) -> list[float] | str:
    """Seconds of some visits, one after the other in one browser; why not where that cannot be told.

    Args:
        address: URL of the page.
        times: How often it is opened.
    """
    path = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "Playwright is not installed"
    if path is None:
        return "Chromium is not installed"
    taken = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for _ in range(times):
            tab = browser.new_page()
            start = time.perf_counter()
            tab.goto(address)
            tab.wait_for_selector("html[data-ready]")
            taken.append(time.perf_counter() - start)
            tab.close()
        browser.close()
    return taken
