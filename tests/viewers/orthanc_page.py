"""The page of Orthanc's web viewer in a browser. It puts Cornerstone and jQuery into the page's global scope."""

import base64

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from tests.viewers.browser import Browser
from tests.viewers.orthanc_server import OrthancServer
from tests.viewers.screen import Picture, decoded
from tests.viewers.studies import in_mm

ELEMENT = "const element = document.getElementById('dicomImage');"
ENABLED = ELEMENT + "let shown; try { shown = cornerstone.getEnabledElement(element); } catch { return null; }"
# One step of the mouse's wheel over the image.
WHEEL = ELEMENT + "element.dispatchEvent(Object.assign(new Event('mousewheel'), {wheelDelta: arguments[0]}));"


class OrthancPage:
    """Orthanc's web viewer with one series.

    Args:
        browser: The browser.
        server: Orthanc.
    """

    def __init__(self, browser: Browser, server: OrthancServer) -> None:
        self._browser, self._server = browser, server

    def open_series(self, series_uid: str) -> None:
        """Open a series, and wait until it is shown."""
        series = self._server.find("Series", SeriesInstanceUID=series_uid)
        stable = f"/web-viewer/is-stable-series/{series}"
        self._browser.wait_for("a complete series", lambda: self._server.read(stable).strip() == b"true")
        self._browser.driver.get(f"{self._server.origin}/web-viewer/app/viewer.html?series={series}")
        self._browser.wait_for("an image", self._image_id)
        self._browser.settle()

    def screenshot(self) -> bytes:
        """The whole page as it looks now, a PNG file."""
        return self._browser.screenshot()

    def slices(self) -> int:
        """How many slices the series has."""
        return 1 + int(self._browser.run("return $('#slider').slider('option', 'max')"))

    def show_slice(self, index: int) -> None:
        """Go to a slice, counted from 0, by the mouse's wheel."""
        while (now := self._place()) != index:
            self._browser.run(WHEEL, -1 if index > now else 1)
            self._browser.wait_for("the next slice", lambda now=now: self._place() != now)
        self._browser.run(ELEMENT + "cornerstone.updateImage(element)")

    def image(self) -> Picture:
        """What is drawn of the image, RGB: without texts."""
        url = self._browser.run(ENABLED + "return shown.canvas.toDataURL('image/png')")
        return decoded(base64.b64decode(url.partition(",")[2]))

    def in_mm(self, x: float, y: float) -> npt.NDArray[np.float64]:
        """The patient's coordinates of a pixel of `image`, `[3]`."""
        script = ENABLED + (
            "const box = shown.canvas.getBoundingClientRect(), [x, y] = arguments;"
            "const at = cornerstone.pageToPixel(element, box.left + scrollX + x, box.top + scrollY + y);"
            "return [at.x, at.y]"
        )
        column, row = self._browser.run(script, x, y)
        # Cornerstone counts from the outer corner of the first pixel.
        return in_mm(self.instance(), column - 0.5, row - 0.5)

    def instance(self) -> Dataset:
        """The header of the instance that is shown."""
        name, _, _ = str(self._image_id()).partition("_")
        return dcmread(DicomBytesIO(self._server.read(f"/instances/{name}/file")), stop_before_pixels=True)

    def _place(self) -> int:
        return int(self._browser.run("return $('#slider').slider('option', 'value')"))

    def _image_id(self) -> str | None:
        found: str | None = self._browser.run(ENABLED + "return shown.image?.imageId ?? null")
        return found
