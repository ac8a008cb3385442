"""A reader's way with a real service: a study is sent on the worklist, looked at, compared, reviewed and exported.

The overlay is compared with what `map.npz` and the files that were sent say, the mask with where the pointer was.
"""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from playwright.sync_api import Page, expect

from app.client import RunningService, serving
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.knee import generate
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import read_exams
from tests import warm
from tests.app.studies import zipped
from tests.app.viewer import truth
from tests.app.viewer.study_page import RADIUS_MM, ROUNDING, at, complete, drag, inside, seen, set_range
from tests.app.viewer.truth import Screen, Sent

pytestmark = pytest.mark.slow

DEMO = "models/bundles/demo"
SEED, TRUTH = 20_261_121, "complete rupture"
GRADE, COMMENT = "partial rupture or strain", "Fibres at the front are torn."
# CSS pixels of a drag that widens the window by the whole range (gestures.js).
WHOLE_RANGE = 900
# The mean difference of 8 bit values of two ways to scale a picture: by OpenCV, and by the browser.
SCALED = 2
# The least share of a picture that is coloured where evidence is strongest.
SOME = 0.02
# Of the channels of a pixel that isn't grey; blue minus red where the brush has painted over grey.
COLOURED, CYAN = 30, 60


@pytest.fixture(params=["synthetic", pytest.param("real", marks=pytest.mark.real_knee)])
def files(request) -> list[bytes]:
    """A study: a synthetic knee, or a real scanner's series."""
    if request.param == "real":
        return [*request.getfixturevalue("real_knee").values()]
    knee = generate(SEED, TRUTH)
    return [written(instance(knee, index)) for index in range(knee.scan.slices)]


def written(dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture
def start(bundles, tmp_path) -> Callable:
    """Starts a service on this test's data folder, with a bundle of four classes and the demo."""
    both = os.pathsep.join((str(bundles[1]), DEMO))
    return lambda port=0: serving(bundles[1], tmp_path, port, CRUCIATE_BUNDLES=both, CRUCIATE_RESULTS="sr")


def test_a_study_is_sent_looked_at_compared_reviewed_and_exported(files, start, page, tmp_path):
    with start() as service:
        service.wait_until_ready()
        study = sent(page, service, files, tmp_path)
        looked_at(page, study)
        explained(page, service, study)
        compared(page, service, study, files)
        mask, box = reviewed(page, study)
        page.reload()
        complete(page)
        same_marks(held(page, study), (mask, box))
    with start(service.port) as service:
        service.wait_until_ready()
        page.reload()
        complete(page)
        same_marks(held(page, study), (mask, box))
        expect(page.get_by_role("textbox", name="Comment")).to_have_value(COMMENT)
        exported(study, mask, box, tmp_path)


def sent(page: Page, service: RunningService, files: list[bytes], scratch: Path) -> Sent:
    """Send a folder on the worklist, and go to the study when its result is there."""
    folder = scratch / "study"
    folder.mkdir()
    for index, content in enumerate(files):
        (folder / f"{index}").write_bytes(content)
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("td.state")).to_contain_text("done")
    page.locator("td.study a").click()
    complete(page)
    return Sent.of(service, page.url.rpartition("/")[2], files)


def looked_at(page: Page, study: Sent) -> None:
    """Scroll, and drag the window."""
    index = len(study.voxels) // 2
    at(page, index)
    page.locator(".view").hover()
    page.mouse.wheel(0, 100)
    at(page, index + 1)
    page.mouse.wheel(0, -100)
    at(page, index)
    percentiles(page)
    black, white = study.window()
    alike(seen(page), study.grey(index, black, white))
    whole = white - study.voxels[:, ::4, ::4].min()
    x, y = centre(page)
    drag(page, (x, y), (x + 60, y + 90))
    middle, width = (black + white) / 2 - 90 / WHOLE_RANGE * whole, white - black + 60 / WHOLE_RANGE * whole
    alike(seen(page), study.grey(index, middle - width / 2, middle + width / 2))
    percentiles(page)


def explained(page: Page, service: RunningService, study: Sent) -> None:
    """Look at the evidence for each class where it is strongest, at several opacities, and as it is on the screen."""
    page.keyboard.press("m")
    coloured = {}
    for name in study.answer["result"]["classes"]:
        page.get_by_label("Show the evidence for").select_option(name)
        evidence = study.evidence(service, name)
        page.locator(".view").focus()
        page.keyboard.press("s")
        at(page, index := truth.strongest(evidence))
        for opacity in (0.6, 0.25, 1.0):
            set_range(page, "#opacity", opacity)
            alike(seen(page), study.overlay(evidence, index, name, opacity))
        picture = study.overlay(evidence, index, name, 1)
        on_screen(page, study, picture)
        coloured[name] = (np.ptp(picture, axis=2) > COLOURED).mean()
    assert max(coloured.values()) > SOME
    page.keyboard.press("m")


def on_screen(page: Page, study: Sent, picture: np.ndarray) -> None:
    """The canvas that the reader sees is this picture, scaled; apart from what is written at its edges."""
    shown = seen(page, canvas=".view")
    screen = Screen.of(page, study)
    rows, columns = study.voxels.shape[1:]
    (left, top), (right, bottom) = screen.pixel(0, 0), screen.pixel(columns, rows)
    across, down = (right - left) / columns, (bottom - top) / rows
    # OpenCV counts from the centre of the first pixel.
    matrix = np.array([[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2]])
    scaled = cv2.warpAffine(picture.astype(np.float32), matrix, shown.shape[1::-1])
    high, wide = shown.shape[:2]
    inner = slice(high // 4, -high // 4), slice(wide // 3, -wide // 3)
    assert np.abs(shown - scaled)[inner].mean() < SCALED


def compared(page: Page, service: RunningService, study: Sent, files: list[bytes]) -> None:
    """Another bundle's result beside the first one: each with its own evidence, on the same slice."""
    other = json.loads(
        service.ask("POST", "/v1/predictions?bundle=demo", zipped(files), {"Content-Type": "application/zip"})
    )
    page.reload()
    complete(page)
    page.get_by_label("Compare with").select_option(other["id"])
    page.wait_for_url("**?with=*")
    complete(page)
    percentiles(page)
    page.keyboard.press("m")
    page.keyboard.press("s")
    index = truth.strongest(study.evidence(service, study.answer["explanation"]["class"]))
    for column, answer in enumerate((study.answer, other)):
        at(page, index, column)
        name = answer["explanation"]["class"]
        result = Sent(answer, study.voxels)
        alike(seen(page, column), result.overlay(result.evidence(service, name), index, name, 0.6))
    page.get_by_label("Compare with").select_option("")
    page.wait_for_url(f"**/{study.answer['id']}")
    complete(page)


def reviewed(page: Page, study: Sent) -> tuple[np.ndarray, truth.Box]:
    """Draw, judge and save. Returns the mask and the box that must come of it."""
    mask, (rows, columns) = np.zeros(study.voxels.shape, bool), study.voxels.shape[1:]
    first = len(study.voxels) // 2
    screen = Screen.of(page, study)
    page.get_by_role("button", name="Brush").click()
    start = screen.place(columns * 0.4, rows * 0.5)
    end = start[0] + 60, start[1] + 30
    drag(page, start, end)
    mask[first] = truth.stroke(screen, start, end, RADIUS_MM)
    page.keyboard.press("n")  # the same on the next slice
    at(page, first + 1)
    mask[first + 1] = mask[first]
    # Turned and larger, with a finer brush: a second stroke there, and a third one that is taken back.
    for key in ("r", "+", "+", "["):
        page.keyboard.press(key)
    screen = Screen.of(page, study, zooms=2, turned=True)
    start = screen.place(columns * 0.5, rows * 0.6)
    end = start[0] - 30, start[1] + 60
    drag(page, start, end)
    mask[first + 1] |= truth.stroke(screen, start, end, RADIUS_MM - 0.5)
    drag(page, (start[0] - 90, start[1]), end)
    page.keyboard.press("Control+z")
    page.get_by_role("button", name="Erase").click()
    drag(page, start, start)
    mask[first + 1] &= ~truth.stroke(screen, start, start, RADIUS_MM - 0.5)
    page.get_by_role("button", name="Box").click()
    page.get_by_role("button", name="Reset").click()
    screen = Screen.of(page, study)
    start, end = screen.place(columns * 0.3, rows * 0.35), screen.place(columns * 0.7, rows * 0.75)
    drag(page, end, start)
    box = [[first + 1, first + 2], *truth.corners(screen, start, end)]
    page.get_by_role("button", name="Box").click()
    painted(page, study, mask[first + 1], box)
    page.get_by_label("My grade").first.check()
    page.locator("#review select").nth(0).select_option(GRADE)
    page.get_by_label("Side").select_option("Left knee")
    page.get_by_role("textbox", name="Comment").fill(COMMENT)
    page.get_by_role("button", name="Save the review").click()
    expect(page.get_by_role("status").filter(has_text="Saved at")).to_be_visible()
    same_marks(held(page, study), (mask, box))
    return mask, box


def painted(page: Page, study: Sent, mask: np.ndarray, box: truth.Box) -> None:
    """The pixels of the slice that are coloured on the screen are those of the mask; the box's line isn't looked at."""
    shown, screen = seen(page, canvas=".view"), Screen.of(page, study)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
    places = [screen.pixel(column + 0.5, row + 0.5) for column, row in zip(columns.flat, rows.flat, strict=True)]
    colours = np.array([shown[int(y), int(x)] for x, y in places]).reshape(*mask.shape, 3)
    coloured = colours[..., 0] - colours[..., 2] > CYAN
    (top, bottom), (left, right) = box[1:]
    near = [abs(rows + 0.5 - edge) < 2 for edge in (top, bottom)] + [
        abs(columns + 0.5 - edge) < 2 for edge in (left, right)
    ]
    np.testing.assert_array_equal(coloured & ~np.any(near, axis=0), mask)


def held(page: Page, study: Sent) -> tuple[np.ndarray, truth.Box]:
    """The mask and the box that the browser holds."""
    runs, box = inside(
        page, "page.column.viewport.layers.filter((one) => one.mask).map((one) => [one.mask.stored, one.box])[0]"
    )
    return truth.drawn(runs, study.voxels.shape), box


def same_marks(found: tuple[np.ndarray, truth.Box], wanted: tuple[np.ndarray, truth.Box]) -> None:
    np.testing.assert_array_equal(found[0], wanted[0])
    assert found[1] == wanted[1]


def exported(study: Sent, mask: np.ndarray, box: truth.Box, scratch: Path) -> None:
    """The exam is in the table, with its voxels, and what was drawn as NPZ and as DICOM."""
    out = scratch / "reviewed"
    environment = os.environ | {"CRUCIATE_DATA": str(scratch / "var")}
    ended = warm.run("-m", "app.reviews", "export", str(out), environment=environment)
    assert ended.returncode == 0, ended.stderr
    (exam,) = read_exams(out / "exams.csv")
    assert (exam.study_uid, exam.four_class) == (study.answer["study"]["study_uid"], {GRADE})
    assert (exam.laterality, exam.box) == ("L", tuple(map(tuple, box)))
    np.testing.assert_array_equal(load_exam(exam).voxels, study.voxels)
    with np.load(exam.mask) as archive:
        np.testing.assert_array_equal(archive["acl"], mask)
    with (out / "masks.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    np.testing.assert_array_equal(in_segmentation(out / row["segmentation"], study), mask)


def in_segmentation(path: Path, study: Sent) -> np.ndarray:
    """The mask in a DICOM Segmentation, whose frames name the images that they lie on."""
    segmentation = pydicom.dcmread(path)
    order = [one["sop_uid"] for one in study.answer["explanation"]["slices"]]
    mask = np.zeros(study.voxels.shape, bool)
    frames = segmentation.pixel_array.reshape(-1, *mask.shape[1:])
    for frame, groups in zip(frames, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        (source,) = groups.DerivationImageSequence[0].SourceImageSequence
        mask[order.index(source.ReferencedSOPInstanceUID)] = frame
    return mask


def percentiles(page: Page) -> None:
    """Choose the window of the service's own pictures."""
    names = page.locator("#preset option").all_inner_texts()
    page.locator("#preset").select_option(index=next(at for at, name in enumerate(names) if "1 to 99.5 %" in name))
    page.locator(".view").first.focus()


def centre(page: Page) -> tuple[int, int]:
    box = page.locator(".view").bounding_box()
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def alike(found: np.ndarray, wanted: np.ndarray) -> None:
    assert np.abs(found - wanted).max() <= ROUNDING
