"""What tests do with the study page, and what they see on it."""

import base64
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page, expect

# Of 8 bit values.
ROUNDING = 1
# The brush, before anybody has changed it.
RADIUS_MM = 2.0
PIXELS = "document.querySelectorAll('{canvas}')[{column}].toDataURL().split(',')[1]"
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def show(page: Page, origin: str, path: str) -> None:
    """Open a study, and wait until all of it is there."""
    page.goto(f"{origin}/studies/{path}")
    complete(page)


def complete(page: Page) -> None:
    """Wait until all of a study is there."""
    page.wait_for_selector("#study[data-complete]")


def at(page: Page, index: int, column: int = 0) -> None:
    """Wait until this slice is shown."""
    expect(page.locator(".slider").nth(column)).to_have_value(str(index))
    expect(page.locator(".source").nth(column)).to_have_attribute("data-slice", str(index))


def seen(page: Page, column: int = 0, canvas: str = ".source") -> np.ndarray:
    """The pixels of the slice, BGR, before they are scaled to the screen; or those of the canvas `.view`."""
    page.evaluate(TWO_FRAMES)
    content = base64.b64decode(page.evaluate(PIXELS.format(canvas=canvas, column=column)))
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)


def set_range(page: Page, name: str, value: float) -> None:
    """Move a slider."""
    page.locator(name).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


def drag(page: Page, start: tuple[int, int], end: tuple[int, int]) -> None:
    """With the left button, by steps of whole pixels if the way has a multiple of 30."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=30)
    page.mouse.up()


def inside(page: Page, asked: str) -> Any:
    """The value of an expression about the page's own object `page`."""
    module = page.locator("script[type=module][src*='study/study']").get_attribute("src")
    return page.evaluate(f"import('{module}').then(({{ page }}) => {asked})")
