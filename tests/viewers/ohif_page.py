"""OHIF's page in a browser: its thumbnails, and what its viewport shows.

OHIF puts its services and Cornerstone into the page's global scope, as its own tests use them.
"""

import base64
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from selenium.webdriver.remote.webelement import WebElement

from tests.viewers.browser import Browser, NotSeen
from tests.viewers.screen import Picture, decoded

# Attributes by the names that OHIF gives them for its own tests.
ACTIVE = "const grid = window.services.viewportGridService.getState();"
VIEWPORT = (
    ACTIVE
    + "const viewport = window.services.cornerstoneViewportService.getCornerstoneViewport(grid.activeViewportId);"
)
ELEMENT = VIEWPORT + "return viewport?.element"
# A busy page may take two clicks for single ones.
CLICKED_S = 60.0


class Ohif:
    """OHIF with one study.

    Args:
        browser: The browser.
        origin: The origin of the service.
    """

    def __init__(self, browser: Browser, origin: str) -> None:
        self._browser, self._origin = browser, origin

    def open_study(self, study_uid: str, series: int) -> None:
        """Open a study, and wait until so many of its series are listed."""
        self._browser.driver.get(f"{self._origin}/ohif/viewer?StudyInstanceUIDs={study_uid}")
        count = "return (window.services?.displaySetService?.activeDisplaySets ?? []).length"
        self._browser.wait_for(f"{series} series", lambda: self._browser.run(count) >= series)
        self._browser.settle()
        self._close()

    def open_series(self, series_uid: str) -> None:
        """Double-click on the thumbnail of a series, and wait until it is shown."""
        shown = (
            ACTIVE + "return grid.viewports.get(grid.activeViewportId).displaySetInstanceUIDs.includes(arguments[0])"
        )

        def opened() -> bool:
            """Click once more if the page didn't take the clicks for one double-click."""
            self._close()
            display_set = self._double_click(series_uid)
            try:
                return bool(self._browser.wait_for("", lambda: self._browser.run(shown, display_set), CLICKED_S))
            except NotSeen:
                return False

        self._browser.wait_for("the series in the viewport", opened)
        self._browser.settle()
        self._close()
        self._browser.point_at(self._element())  # OHIF draws outlines when the mouse moves
        self._browser.settle()

    def screenshot(self) -> bytes:
        """The whole page as it looks now, a PNG file."""
        return self._browser.screenshot()

    def slices(self) -> int:
        """How many slices the viewport has."""
        return int(self._browser.run(VIEWPORT + "return viewport.getNumberOfSlices()"))

    def show_slice(self, index: int) -> None:
        """Go to a slice, counted from 0, and wait until its picture is drawn."""
        jump = (
            VIEWPORT
            + "const done = arguments[1];"
            + "window.cornerstone.utilities.jumpToSlice(viewport.element, {imageIndex: arguments[0]})"
            + ".then(done, done);"
        )
        self._browser.driver.execute_async_script(jump, index)
        # Sets of slices that were made in the page, as for maps, have no images to wait for.
        loaded = VIEWPORT + (
            "const image = viewport.getCurrentImageId?.();"
            "return !image?.startsWith('wadors:') || window.cornerstone.cache.isLoaded(image)"
        )
        self._browser.wait_for(f"the picture of slice {index + 1}", lambda: self._browser.run(loaded), CLICKED_S)
        draw = VIEWPORT + (
            "const done = arguments[0];viewport.render(); requestAnimationFrame(() => requestAnimationFrame(done));"
        )
        self._browser.driver.execute_async_script(draw)

    def image(self) -> Picture:
        """What the viewport draws of images, RGB: without texts, arrows and the frame around it."""
        url = self._browser.run(VIEWPORT + "return viewport.getCanvas().toDataURL('image/png')")
        return decoded(base64.b64decode(url.partition(",")[2]))

    def view(self) -> Picture:
        """The viewport with all that is drawn in it, RGB."""
        return self._browser.picture(self._element())

    def wait_for_view(self, what: str, shown: Callable[[Picture], bool]) -> None:
        """Move the mouse over the viewport until it shows something: OHIF draws outlines when the mouse moves."""

        def ask() -> bool:
            self._close()
            self._browser.point_at(self._element())
            return shown(self.view())

        self._browser.wait_for(what, ask)

    def wait_for_instance(self, what: str, sop_uid: str) -> None:
        """Wait until the viewport shows an image."""

        def ask() -> bool:
            self._close()
            return self.instance() == sop_uid

        self._browser.wait_for(what, ask)

    def in_mm(self, x: float, y: float) -> npt.NDArray[np.float64]:
        """The patient's coordinates of a pixel of `image`, `[3]`."""
        return np.array(self._browser.run(VIEWPORT + "return Array.from(viewport.canvasToWorld(arguments[0]))", [x, y]))

    def in_pixels(self, place_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The pixel of `image` at a place in the patient, `[x, y]`."""
        return np.array(
            self._browser.run(VIEWPORT + "return Array.from(viewport.worldToCanvas(arguments[0]))", place_mm.tolist())
        )

    def instance(self) -> str:
        """The SOPInstanceUID of the image that the viewport shows, or nothing."""
        script = VIEWPORT + (
            "const image = viewport?.getCurrentImageId();"
            "return image ? window.cornerstone.metaData.get('sopCommonModule', image)?.sopInstanceUID ?? '' : ''"
        )
        return str(self._browser.run(script))

    def _element(self) -> WebElement:
        """The viewport, once there is one: OHIF makes another one for a report."""
        return self._browser.wait_for("a viewport", lambda: self._browser.run(ELEMENT), CLICKED_S)

    def _close(self) -> None:
        """Answer what OHIF asks and tells, whenever it does."""
        self._browser.click("Skip all")  # a tour, at the first time
        self._browser.click("Confirm and hide")  # that it is for investigational use only
        self._browser.click("No")  # whether to edit the segmentation, or to track measurements

    def _double_click(self, series_uid: str) -> str:
        """Double-click on a thumbnail. Returns OHIF's name of what it stands for."""
        find = (
            "return window.services.displaySetService.getDisplaySetsForSeries(arguments[0])[0]?.displaySetInstanceUID"
        )
        display_set = self._browser.wait_for("the series", lambda: self._browser.run(find, series_uid))
        self._browser.double_click(self._browser.element(f'[id="thumbnail-{display_set}"]'))
        return str(display_set)

    def errors(self) -> list[str]:
        """What the page has said on its console since the last call."""
        return self._browser.messages()
