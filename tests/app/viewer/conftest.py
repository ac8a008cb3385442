"""The pages in headless Chromium (Debian's), driven by Playwright. The browser reaches this machine only."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
WIDTH, HEIGHT = 1400, 900
# Milliseconds. Generous: a busy machine.
WAIT_MS = 30_000
# Chromium's message about a response like 404, or none. Tests of pages that meet one look at the page.
NOT_LOADED = "Failed to load resource: "
# axe-core, as its package has it.
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    if CHROMIUM is None:
        pytest.skip("chromium isn't installed (Debian's package)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            chromium_sandbox=os.geteuid() != 0,  # it refuses to run as root
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        expect.set_options(timeout=WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser) -> Iterator[Callable[..., Page]]:
    """Opens empty tabs, each in a profile of its own. At the end, none may have reported an error of its scripts."""
    contexts, errors = [], []

    def new(**options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": WIDTH, "height": HEIGHT}} | options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        return page

    yield new
    for context in contexts:
        context.close()
    assert [error for error in errors if not error.startswith(NOT_LOADED)] == []


@pytest.fixture
def page(new_page) -> Page:
    """An empty tab."""
    return new_page()


def barriers(page: Page) -> list[str]:
    """What axe-core finds on a page that keeps people out: everything serious or critical."""
    found = page.evaluate(f"{AXE.read_text()}\naxe.run()")["violations"]
    return [
        f"{one['id']}: {node['html'][:100]} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
