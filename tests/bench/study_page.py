"""How fast the study page is in headless Chromium, over loopback.

    python -m tests.bench.study_page [--slices 40] [--size 512] [--rounds 5]

One synthetic study of this size is sent to a service with the demo bundle. Then its page is opened some times, each
time by a browser that has never seen it. Timed are the first slice on the canvas, and everything: all slices and maps,
so that any key works. Then all slices are scrolled through by the wheel, with the heatmap on: frames are counted that
show a new slice, and requests. The page's weight is what came over the wire, without the voxels. Seconds of processors
(service and browser) tell more than those of the clock where others use the machine, too.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from scipy.ndimage import zoom

from app.client import RunningService, serving
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from tests.bench.process_tree import cpu_s

BUNDLE = Path("models/bundles/demo")
SEED, TRUTH = 20_261_121, "complete rupture"
VIEW = {"width": 1400, "height": 900}
FIRST_S, ALL_S, SLICES_S, WEIGHT_KB = 1.0, 2.0, 30, 500
# Slices that are asked for in a second while scrolling, so that the browser is the limit.
ASKED_S = 60
COUNT = """() => {
    const source = document.querySelector(".source");
    window.slices = new Set();
    const count = new MutationObserver(() => window.slices.add(source.dataset.slice));
    count.observe(source, { attributeFilter: ["data-slice"] });
}"""
# A driver waits for two frames after each event that it sends, so the page sends the wheel's events itself.
SCROLL = """async ([slices, asked]) => {
    const [view, source] = [".view", ".source"].map((name) => document.querySelector(name));
    const frame = () => new Promise(requestAnimationFrame);
    const started = performance.now();
    for (let sent = 0; sent < slices - 1; await frame()) {
        for (; sent < slices - 1 && sent <= (performance.now() - started) * asked / 1000; sent++)
            view.dispatchEvent(new WheelEvent("wheel", { deltaY: 100, bubbles: true, cancelable: true }));
    }
    while (source.dataset.slice !== String(slices - 1)) await frame();
    return (performance.now() - started) / 1000;
}"""
# Seconds of processors: of the service, of the browser.
Clock = Callable[[], tuple[float, float]]


class Opened(NamedTuple):
    """How a page was opened.

    Attributes:
        first_s: Seconds until the first slice was drawn.
        all_s: Seconds until all slices and maps were there.
        page_kb: kB over the wire without voxels.
        voxels_kb: kB of voxels.
        service_s: Seconds of processors that the service took.
        browser_s: The same of the browser.
    """

    first_s: float
    all_s: float
    page_kb: float
    voxels_kb: float
    service_s: float
    browser_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=40, help="slices of the study (default: %(default)s)")
    parser.add_argument("--size", type=int, default=512, help="its rows and columns (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often the page is opened (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, serving(BUNDLE, Path(scratch)) as service:
        service.wait_until_ready()
        address = _sent(service, options.slices, options.size)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), chromium_sandbox=os.geteuid() != 0
            )
            clock = partial(_taken, service)
            _report([_open(browser, address, clock) for _ in range(options.rounds)])
            _scroll(browser, address, options.slices, clock)
            browser.close()


def _sent(service: RunningService, slices: int, size: int) -> str:
    """Send a study of this size. Returns the address of its page."""
    knee, body = generate(SEED, TRUTH), io.BytesIO()
    volume, template = knee.to_volume(), instance(knee, 0)
    factors = np.divide((slices, size, size), volume.shape)
    voxels = zoom(knee.pixels, factors, order=1).astype("<u2")
    apart, *pixel = np.divide(volume.spacing_mm, factors).tolist()
    with zipfile.ZipFile(body, "w") as archive:
        for index, plane in enumerate(voxels):
            template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = f"2.25.77.{index + 1}"
            template.InstanceNumber, template.Rows, template.Columns = index + 1, *plane.shape
            template.PixelSpacing, template.SpacingBetweenSlices = [f"{one:.6f}" for one in pixel], f"{apart:.6f}"
            place = volume.positions_mm[0] + index * apart * volume.normal
            template.ImagePositionPatient = [f"{one:.4f}" for one in place]
            template.PixelData = plane.tobytes()
            file = io.BytesIO()
            template.save_as(file, enforce_file_format=True)
            archive.writestr(f"{index}", file.getvalue())
    status, answer = service.request("POST", "/v1/predictions", body.getvalue(), {"Content-Type": "application/zip"})
    if status != 201:
        raise SystemExit(f"the study was refused: {answer.decode()}")
    return f"http://127.0.0.1:{service.port}/studies/{json.loads(answer)['id']}"


def _taken(service: RunningService) -> tuple[float, float]:
    """Seconds of processors that service and browser have taken."""
    of_service = cpu_s(service.process.pid)
    return of_service, cpu_s(os.getpid()) - of_service


def _open(browser: Browser, address: str, clock: Clock) -> Opened:
    page = browser.new_context(viewport=VIEW).new_page()
    sizes: dict[str, int] = {}
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    urls: dict[str, str] = {}
    wire.on("Network.responseReceived", lambda event: urls.update({event["requestId"]: event["response"]["url"]}))
    wire.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    before, started = clock(), time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".source[data-slice]", state="attached")
    first_s = time.perf_counter() - started
    _complete(page)
    all_s = time.perf_counter() - started
    voxels = sum(size for id_, size in sizes.items() if urls[id_].endswith(("volume.npy", "image.npy")))
    taken = np.subtract(clock(), before).tolist()
    page.context.close()
    return Opened(first_s, all_s, (sum(sizes.values()) - voxels) / 1000, voxels / 1000, *taken)


def _complete(page: Page) -> None:
    page.wait_for_selector("#study[data-complete]", state="attached")


def _report(opened: list[Opened]) -> None:
    for name, goal, unit in (("first_s", FIRST_S, "s"), ("all_s", ALL_S, "s"), ("page_kb", WEIGHT_KB, "kB")):
        values = [getattr(one, name) for one in opened]
        print(f"{name:10} {statistics.median(values):8.2f} {unit}, worst {max(values):.2f}; goal {goal}")
    for name, unit in (("voxels_kb", "kB"), ("service_s", "s of processors"), ("browser_s", "s of processors")):
        print(f"{name:10} {statistics.median(getattr(one, name) for one in opened):8.2f} {unit}")


def _scroll(browser: Browser, address: str, slices: int, clock: Clock) -> None:
    page = browser.new_context(viewport=VIEW).new_page()
    page.goto(address)
    _complete(page)
    page.keyboard.press("m")
    page.keyboard.press("Home")
    page.wait_for_selector(".source[data-slice='0']", state="attached")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(COUNT)
    _, before = clock()
    took_s = page.evaluate(SCROLL, [slices, ASKED_S])
    drawn, browser_ms = page.evaluate("window.slices.size"), 1000 * (clock()[1] - before)
    print(f"{'scroll':10} {drawn / took_s:8.1f} slices/s drawn, {drawn} of {slices - 1}; goal {SLICES_S}")
    print(f"{'a slice':10} {browser_ms / drawn:8.1f} ms of processors of the browser; {len(asked)} requests")


if __name__ == "__main__":
    main()
