"""The arithmetic of the study page in a browser, against the service's own and against other libraries."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from app.results import render
from app.viewer.files import VERSION
from data_prep.labels import FOUR_CLASS
from data_prep.network_input.footprint import Footprint
from models.severity import expected_grade
from tests.loopback import served

pytestmark = pytest.mark.slow

CALL = """async ([module, name, given]) => {
    const found = (await import(module))[name](...given);
    const plain = (one) => ArrayBuffer.isView(one) ? Array.from(one) : one;
    return found?.weights ? { ...found, weights: plain(found.weights) } : plain(found);
}"""
SPREAD = """async ([module, cells, rows, columns, high, wide]) => {
    const { spread, carryBack } = await import(module);
    const plane = carryBack(spread(cells.length, rows, high), spread(cells[0].length, columns, wide), cells.flat());
    return Array.from(plane);
}"""
PAINT = """async ([module, levels, greys, heat]) => {
    const { paint } = await import(module);
    const pixels = new Uint8ClampedArray(4 * levels.length);
    if (heat) heat.plane = Float32Array.from(heat.plane);
    paint(pixels, Uint16Array.from(levels), Uint8Array.from(greys), heat);
    return Array.from(pixels);
}"""
# Every 16th level, which is enough to know a line.
EVERY = 16
GREYS = f"""async ([module, window, stored, inverted]) => {{
    const {{ greys }} = await import(module);
    return Array.from(greys(window, stored, inverted)).filter((_, level) => level % {EVERY} === 0);
}}"""
READ = """async ([module, text, size]) => {
    const { readArray } = await import(module);
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const pieces = new ReadableStream({
        start(controller) {
            for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
            controller.close();
        },
    });
    const seen = [];
    try {
        const { shape, values } = await readArray(new Response(pieces), (_, arrived) => seen.push(arrived));
        return { shape, values: Array.from(values), seen };
    } catch (error) {
        return { status: error.status };
    }
}"""
# Shares of red, green and blue in brightness (ITU-R BT.709).
LUMA = (0.2126, 0.7152, 0.0722)
SAGITTAL = [[0, 1, 0], [0, 0, -1]]
FITTED = {"zoom": 1, "pan": [0, 0], "turns": 0, "flipped": False}


@pytest.fixture(scope="module")
def tab(answered, browser):
    with served(answered[0].application) as origin:
        tab = browser.new_page()
        tab.goto(origin)
        yield tab
        tab.close()


def module(name: str) -> str:
    return f"/viewer/{VERSION}/study/{name}.js"


@pytest.fixture
def call(tab):
    def called(name: str, function: str, *given: Any) -> Any:
        return tab.evaluate(CALL, [module(name), function, given])

    return called


@pytest.mark.parametrize("seed", range(6))
def test_cells_are_spread_as_the_service_spreads_them(tab, seed):
    """Also regions beyond the image, and cells that are smaller than pixels."""
    draw = np.random.default_rng(seed)
    high, wide = draw.integers(20, 70, 2).tolist()
    rows, columns = np.sort(draw.uniform(-15, 85, (2, 2)), axis=1).tolist()
    cells = draw.normal(size=(1, *draw.integers(1, 9, 2))).astype(np.float32)
    expected = Footprint((1, high, wide), (0, 1), tuple(rows), tuple(columns)).carry_back(cells)[0]
    found = tab.evaluate(SPREAD, [module("arithmetic/spread"), cells[0].tolist(), rows, columns, high, wide])
    assert np.reshape(found, (high, wide)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_colours_are_those_of_the_services_pictures(tab):
    draw = np.random.default_rng(7)
    grey = draw.integers(0, 256, (40, 50)).astype(np.uint8)
    plane = draw.normal(size=grey.shape).astype(np.float32)
    for full, threshold, opacity in ((1.5, 0.75, 0.6), (0.2, 0.0, 1.0), (3.0, 1e-3, 0.0)):
        scale = render.Scale(0, 1, full, threshold, "")
        expected = render.mixed(grey, render.glow(plane, scale), opacity)[..., ::-1]
        heat = {
            "plane": plane.ravel().tolist(),
            "full": full,
            "threshold": threshold,
            "opacity": opacity,
            "both": False,
        }
        given = [module("arithmetic/colours"), grey.ravel().tolist(), list(range(256)), heat]
        found = np.reshape(tab.evaluate(PAINT, given), (40, 50, 4))
        assert np.abs(found[..., :3] - expected.astype(int)).max() <= 1
        assert (found[..., 3] == 255).all()


def test_evidence_against_is_blue_and_evidence_for_is_orange(tab):
    """Equal evidence has equal strength: the scale has the same range on both sides."""
    heat = {"plane": [-1, -0.4, 0, 0.4, 1], "full": 1, "threshold": 0.5, "opacity": 1, "both": True}
    found = tab.evaluate(PAINT, [module("arithmetic/colours"), [0] * 5, [9] * 256, heat])
    against, *silent, evidence_for = np.reshape(found, (5, 4))[:, :3].tolist()
    assert silent == [[9, 9, 9]] * 3
    assert against[2] > against[0]
    assert evidence_for[0] > evidence_for[2]
    assert abs(np.dot(LUMA, against) - np.dot(LUMA, evidence_for)) < 20


def test_greys_are_those_of_the_services_pictures_and_of_pydicom(tab):
    levels = np.arange(0, 1 << 16, EVERY)
    stored = {"slope": 0.5, "intercept": -100.0}
    values = (stored["slope"] * levels + stored["intercept"]).astype(np.float32)
    for black, white in ((-20.0, 900.0), (5.0, 5.5), (-1e4, 1e5)):
        window = {"black": black, "white": white}
        greys, inverted = (
            np.array(tab.evaluate(GREYS, [module("arithmetic/window"), window, stored, on])) for on in (0, 1)
        )
        expected = render.grey(values[None], render.Scale(black, white, 1, 0, "")).astype(int)
        assert np.abs(greys - expected).max() <= 1
        assert np.abs(greys + inverted - 255).max() <= 1


def test_the_window_of_headers_is_pydicoms(call, tab):
    levels = np.arange(0, 1 << 16, EVERY)
    headers = Dataset()
    headers.update({"PhotometricInterpretation": "MONOCHROME2", "BitsStored": 16, "PixelRepresentation": 0})
    headers.update({"WindowCenter": 4000.0, "WindowWidth": 8000.0})
    window = call("arithmetic/window", "ofHeaders", {"centre": 4000, "width": 8000})
    found = tab.evaluate(GREYS, [module("arithmetic/window"), window, {"slope": 1, "intercept": 0}, 0])
    expected = apply_windowing(levels.astype(np.uint16), headers)
    assert np.abs(np.array(found) - 255 * expected / expected.max()).max() <= 1


def test_the_headers_window_comes_first_if_there_is_one(call):
    percentiles = {name: float(name) for name in ("0", "1", "5", "50", "95", "99.5", "100")}
    named = {"window": {"centre": 40, "width": 80}, "percentiles": percentiles}
    assert call("arithmetic/window", "presets", named)[0]["name"] == "headers"
    first = call("arithmetic/window", "presets", named | {"window": None})[0]
    assert first == {"name": "usual", "window": {"black": 1, "white": 99.5}}


@pytest.mark.parametrize(
    ("view", "letters"),
    [
        ({}, "P F A H"),  # right, bottom, left, top
        ({"turns": 1}, "H P F A"),
        ({"turns": -2}, "A H P F"),
        ({"flipped": True}, "A F P H"),
        ({"turns": 2, "flipped": True}, "P H A F"),
        ({"turns": 5, "flipped": True}, "H A F P"),
    ],
)
def test_letters_follow_the_picture(call, view, letters):
    found = call("arithmetic/geometry", "edges", SAGITTAL, FITTED | view)
    assert " ".join(found[edge] for edge in ("right", "bottom", "left", "top")) == letters


def test_an_oblique_direction_has_two_letters(call):
    degrees = np.deg2rad(30)
    assert call("arithmetic/geometry", "letters", [0.1, np.cos(degrees), -np.sin(degrees)]) == "PF"
    assert call("arithmetic/geometry", "letters", [0, np.cos(degrees / 2), -np.sin(degrees / 2)]) == "P"


@pytest.mark.parametrize("view", [{}, {"zoom": 3, "pan": [20, -7]}, {"turns": 1, "flipped": True}, {"turns": 3}])
def test_a_slice_fits_and_leads_back(call, view):
    """40 x 10 mm on a canvas of 400 x 200 pixels; pixels are higher than wide."""
    slice_ = {"rows": 5, "columns": 80, "down": 2, "across": 0.5}
    canvas = {"width": 400, "height": 200}
    matrix = call("arithmetic/geometry", "toCanvas", FITTED | view, slice_, canvas)
    back = call("arithmetic/geometry", "inverse", matrix)
    corners = [[0, 0], [80, 0], [80, 5], [0, 5]]
    placed = [call("arithmetic/geometry", "applied", matrix, corner) for corner in corners]
    assert [call("arithmetic/geometry", "applied", back, place) for place in placed] == [
        pytest.approx(corner, abs=1e-9) for corner in corners
    ]
    if not view:
        assert placed == [[0, 50], [400, 50], [400, 150], [0, 150]]
    scale = call("arithmetic/geometry", "scaleOf", FITTED | view, slice_, canvas)
    assert np.hypot(*np.subtract(placed[1], placed[0])) == pytest.approx(40 * scale)
    assert np.hypot(*np.subtract(placed[3], placed[0])) == pytest.approx(10 * scale)


def test_lengths_and_angles_are_in_the_patient(call):
    spacing = {"down": 2, "across": 0.5}
    assert call("arithmetic/geometry", "distance", [1, 1], [7, 3], spacing) == pytest.approx(5)
    assert call("arithmetic/geometry", "angle", [9, 1], [1, 1], [1, 3], spacing) == pytest.approx(90)
    assert call("arithmetic/geometry", "angle", [9, 1], [1, 1], [9, 3], spacing) == pytest.approx(45)
    assert call("arithmetic/geometry", "angle", [-1, 2], [0, 2], [-1, 1], {"down": 1, "across": 1}) == pytest.approx(45)
    assert [call("arithmetic/geometry", "roundLength", most) for most in (0.7, 3.1, 19, 50, 99)] == [0.5, 2, 10, 50, 50]


def test_the_outline_of_a_disc_is_its_circle(call):
    row, column = np.indices((40, 50)) + 0.5
    plane = 10 - np.hypot(row - 20.3, column - 24.8)
    pieces = np.reshape(call("arithmetic/contour", "contour", plane.ravel().tolist(), 40, 50, 3.0), (-1, 2, 2))
    assert np.hypot(pieces[..., 0] - 24.8, pieces[..., 1] - 20.3) == pytest.approx(7, abs=0.05)
    assert np.hypot(*(pieces[:, 1] - pieces[:, 0]).T).sum() == pytest.approx(2 * np.pi * 7, rel=0.01)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("kind", ["<u2", "<f4"])
def test_an_array_is_read_in_whatever_pieces_it_comes(tab, size, kind):
    array, file = np.arange(60).reshape(3, 4, 5).astype(kind), io.BytesIO()
    np.save(file, array)
    content = base64.b64encode(file.getvalue()).decode()
    found = tab.evaluate(READ, [module("reading/arrays"), content, size])
    assert found["shape"] == [3, 4, 5]
    assert found["values"] == array.ravel().tolist()
    assert found["seen"][-1] == 60
    short = base64.b64encode(file.getvalue()[:-1]).decode()
    assert tab.evaluate(READ, [module("reading/arrays"), short, size]) == {"status": 0}


def test_the_expected_grade_is_the_models(call):
    probabilities = dict(zip(FOUR_CLASS.classes, (0.1, 0.2, 0.3, 0.4), strict=True))
    result = {"scheme": "four_class", "classes": list(FOUR_CLASS.classes), "probabilities": probabilities}
    expected = expected_grade(np.array([*probabilities.values()]), FOUR_CLASS)
    assert call("panel/sections", "expectedGrade", result) == pytest.approx(expected)
    assert call("panel/sections", "expectedGrade", result | {"scheme": "binary"}) is None
