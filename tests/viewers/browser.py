"""Chromium without a window, driven by selenium. It reaches this machine only, and draws WebGL in software."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.viewers.screen import Picture, decoded

WIDTH, HEIGHT = 1400, 900
# Generous: software drawing on a busy machine.
WAIT_S = 300.0
# Pixels.
MOVED = 20
# A picture is complete when it hasn't changed for so long, and nothing was loaded meanwhile.
STILL_S = 1.5
PROGRAMS = "chromium", "chromedriver"
# In each new document: how many requests of its scripts haven't been answered yet.
COUNTING = """
window.outstanding = 0;
const { fetch } = window, { send } = XMLHttpRequest.prototype;
const answered = () => { window.outstanding -= 1; };
window.fetch = (...request) => { window.outstanding += 1; return fetch(...request).finally(answered); };
XMLHttpRequest.prototype.send = function (...body) {
  window.outstanding += 1;
  this.addEventListener("loadend", answered, { once: true });
  return send.apply(this, body);
};
"""


class NotSeen(AssertionError):
    """What should be on the page isn't there. The message says what was waited for."""


class Browser:
    """One tab.

    Attributes:
        driver: Selenium's driver.
    """

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def run(self, script: str, *arguments: object) -> Any:
        """The value that a script returns."""
        return self.driver.execute_script(script, *arguments)

    def wait_for(self, what: str, ask: Callable[[], Any], seconds: float = WAIT_S) -> Any:
        """The first true answer. Raises NotSeen if there is none in time."""
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            if time.monotonic() > deadline:
                raise NotSeen(f"{what}: not seen in {seconds:.0f} s")
            time.sleep(0.2)
        return answer

    def element(self, css: str) -> WebElement:
        """The first element that a CSS selector finds, once there is one."""
        return self.wait_for(css, lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, css)), None))

    def double_click(self, element: WebElement) -> None:
        """As a person does it: the element is scrolled into view first."""
        self.run("arguments[0].scrollIntoView({block: 'nearest'})", element)
        ActionChains(self.driver).move_to_element(element).double_click().perform()

    def click(self, text: str) -> None:
        """Click the first visible button with this text, if there is one that nothing covers."""
        for button in self.driver.find_elements(By.XPATH, f"//button[normalize-space()='{text}']"):
            with suppress(WebDriverException):  # it has gone, or something covers it
                if button.is_displayed():
                    button.click()
                    return

    def point_at(self, element: WebElement) -> None:
        """Move the mouse over the middle of an element. It moves even if it is there already."""
        ActionChains(self.driver).move_to_element(element).move_by_offset(MOVED, MOVED).perform()

    def settle(self) -> None:
        """Wait until the page doesn't change any more, and every request has been answered."""
        loaded = "return [window.outstanding ?? 0, performance.getEntriesByType('resource').length]"
        deadline = time.monotonic() + WAIT_S
        before: tuple[object, bytes] = (None, b"")
        while (now := (self.run(loaded), self.screenshot())) != before or now[0][0]:
            if time.monotonic() > deadline:
                raise NotSeen(f"the page was still changing after {WAIT_S:.0f} s")
            before = now
            time.sleep(STILL_S)

    def screenshot(self) -> bytes:
        """The whole page as it looks now, a PNG file. A busy page is waited for."""

        def ask() -> bytes | None:
            try:
                return self.driver.get_screenshot_as_png()
            except TimeoutException:
                return None

        return bytes(self.wait_for("a screenshot", ask))

    def picture(self, element: WebElement) -> Picture:
        """What an element looks like, RGB."""
        return decoded(element.screenshot_as_png)

    def messages(self) -> list[str]:
        """Errors on the page's console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


def missing() -> list[str]:
    """The programs that aren't installed (Debian: chromium, chromium-driver)."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile in a folder, and end it with the block."""
    options = Options()
    options.binary_location = str(shutil.which("chromium"))
    arguments = [
        "--headless=new",
        f"--window-size={WIDTH},{HEIGHT}",
        "--force-device-scale-factor=1",
        "--hide-scrollbars",
        "--no-first-run",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ]
    if os.geteuid() == 0:  # Chromium's sandbox refuses to run as root.
        arguments.append("--no-sandbox")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.page_load_strategy = "none"  # `Browser.wait_for` waits for what is needed
    driver = webdriver.Chrome(options, Service(str(shutil.which("chromedriver"))))
    driver.command_executor.client_config.timeout = int(WAIT_S)
    try:
        driver.set_script_timeout(WAIT_S)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": f"{{{COUNTING}}}"})
        yield Browser(driver)
    finally:
        driver.quit()
