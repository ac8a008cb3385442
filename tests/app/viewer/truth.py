"""What the study page must show and store: computed from the files that were sent, from `map.npz` and from geometry."""

import io
import json
import math
from dataclasses import dataclass

import cv2
import numpy as np
import pydicom
from playwright.sync_api import Page

from app.client import RunningService
from app.contract import masks
from app.contract.schemas import SliceMask

Point = tuple[float, float]
Box = list[list[int]]
# What a zoom key does.
ZOOM = 1.25


@dataclass(frozen=True)
class Sent:
    """A study as it was sent, and what the service says of it.

    Attributes:
        answer: The answer.
        voxels: The values in the files, float `[slices, rows, columns]`, in the answer's order.
    """

    answer: dict
    voxels: np.ndarray

    @classmethod
    def of(cls, service: RunningService, id_: str, files: list[bytes]) -> "Sent":
        """A study whose files have the same origin and slope."""
        answer = json.loads(service.ask("GET", f"/v1/predictions/{id_}"))
        images = {one.SOPInstanceUID: one for one in (pydicom.dcmread(io.BytesIO(file)) for file in files)}
        planes = [images[one["sop_uid"]].pixel_array for one in answer["explanation"]["slices"]]
        return cls(answer, np.stack(planes).astype(float))

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """From row to row, and from column to column."""
        _, down, across = self.answer["study"]["volume"]["spacing_mm"]
        return down, across

    def window(self) -> tuple[float, float]:
        """The values that the preset of percentiles makes black and white."""
        black, white = np.percentile(self.voxels[:, ::4, ::4], (1, 99.5))
        return black, white

    def grey(self, index: int, black: float, white: float) -> np.ndarray:
        """A slice in grey, BGR `[rows, columns, 3]`."""
        plane = np.round(255 * ((self.voxels[index] - black) / (white - black)).clip(0, 1))
        return np.repeat(plane[..., None], 3, axis=2)

    def evidence(self, service: RunningService, name: str) -> np.ndarray:
        """The map of a class in logit/mm2, `[slices, rows, columns]`."""
        place = f"/v1/predictions/{self.answer['id']}/map.npz?class={name.replace(' ', '%20')}"
        with np.load(io.BytesIO(service.ask("GET", place))) as archive:
            return archive["map"] / math.prod(self.spacing_mm)

    def overlay(self, evidence: np.ndarray, index: int, name: str, opacity: float) -> np.ndarray:
        """A slice in grey with the evidence for a class over it, BGR `[rows, columns, 3]`."""
        scale = self.answer["explanation"]["scale"]
        full = scale["classes"].get(name, max(float(evidence.max()), 0))
        shown = (evidence[index] >= scale["thresholds"].get(name, 0)) & (evidence[index] > 0)
        levels = np.round(255 * (evidence[index] / max(full, 1e-30)).clip(0, 1) * shown).astype(np.uint8)
        weight = opacity * levels[..., None] / 255
        colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
        return np.round((1 - weight) * self.grey(index, *self.window()) + weight * colours)


def strongest(evidence: np.ndarray) -> int:
    """The slice with the highest sum, of those that the model looks at: elsewhere a map is 0."""
    return int(np.where(evidence.any(axis=(1, 2)), evidence.sum(axis=(1, 2)), -np.inf).argmax())


@dataclass(frozen=True)
class Screen:
    """Where a slice lies in the browser's window.

    Attributes:
        canvas: Left, top, width and height of the canvas.
        shape: Rows and columns of the slice.
        spacing_mm: From row to row, and from column to column.
        zooms: How often it was zoomed in by a key.
        turned: Whether it was turned to the right once.
    """

    canvas: tuple[float, float, float, float]
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    zooms: int = 0
    turned: bool = False

    @classmethod
    def of(cls, page: Page, study: Sent, **rest) -> "Screen":
        box = page.locator(".view").bounding_box()
        canvas = (box["x"], box["y"], box["width"], box["height"])
        return cls(canvas, study.voxels.shape[1:], study.spacing_mm, **rest)

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the canvas in its own pixels, which are whole ones."""
        return round(self.canvas[2]), round(self.canvas[3])

    @property
    def pixels_mm(self) -> float:
        """Pixels of the canvas for each mm."""
        high, wide = (size * mm for size, mm in zip(self.shape, self.spacing_mm, strict=True))
        if self.turned:
            high, wide = wide, high
        return ZOOM**self.zooms * min(self.pixels[0] / wide, self.pixels[1] / high)

    def voxel(self, x: float, y: float) -> Point:
        """Column and row of a place of the window; pixels of the slice have their centres at halves."""
        left, top, width, height = self.canvas
        right = ((x - left) / width - 0.5) * self.pixels[0] / self.pixels_mm
        down = ((y - top) / height - 0.5) * self.pixels[1] / self.pixels_mm
        if self.turned:  # what pointed up points to the right
            right, down = down, -right
        rows, columns = self.shape
        return columns / 2 + right / self.spacing_mm[1], rows / 2 + down / self.spacing_mm[0]

    def pixel(self, column: float, row: float) -> Point:
        """The place of a voxel coordinate in pixels of the canvas."""
        rows, columns = self.shape
        right, down = (column - columns / 2) * self.spacing_mm[1], (row - rows / 2) * self.spacing_mm[0]
        if self.turned:
            right, down = -down, right
        return self.pixels[0] / 2 + right * self.pixels_mm, self.pixels[1] / 2 + down * self.pixels_mm

    def place(self, column: float, row: float) -> tuple[int, int]:
        """The pixel of the window that is nearest to a voxel coordinate."""
        x, y = self.pixel(column, row)
        left, top, width, height = self.canvas
        return round(left + x * width / self.pixels[0]), round(top + y * height / self.pixels[1])


def stroke(screen: Screen, start: Point, end: Point, radius_mm: float) -> np.ndarray:
    """What a brush paints that is dragged between two places of the window: bool `[rows, columns]`."""
    down, across = screen.spacing_mm
    (x1, y1), (x2, y2) = ((column * across, row * down) for column, row in (screen.voxel(*start), screen.voxel(*end)))
    rows, columns = np.mgrid[: screen.shape[0], : screen.shape[1]] + 0.5
    x, y = columns * across - x1, rows * down - y1
    along, over = x2 - x1, y2 - y1
    share = ((x * along + y * over) / max(along**2 + over**2, 1e-12)).clip(0, 1)
    return np.hypot(x - share * along, y - share * over) <= radius_mm


def corners(screen: Screen, start: Point, end: Point) -> Box:
    """Rows and columns of a box between two places of the window: every pixel that it touches."""
    ends = np.array([screen.voxel(*start), screen.voxel(*end)])
    (left, top), (right, bottom) = np.floor(ends.min(axis=0)), np.ceil(ends.max(axis=0))
    return [[int(top), int(bottom)], [int(left), int(right)]]


def drawn(runs: list[dict], shape: tuple[int, int, int]) -> np.ndarray:
    """A mask as the service and the page have it, as an array."""
    return masks.drawn([SliceMask(**one) for one in runs], shape)
