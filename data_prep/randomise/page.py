"""What happens to a picture after the scanner: borders, text, arrows, frames, 8 bits and JPEG."""

import string

import cv2
import numpy as np
import numpy.typing as npt

from data_prep.phantom.tissues import LabelArray
from data_prep.randomise.ranges import Ranges
from data_prep.volume import FloatArray

LETTERS = string.ascii_letters + string.digits + " .:/-"


def published(
    picture: FloatArray, labels: LabelArray, ranges: Ranges, rng: np.random.Generator
) -> tuple[FloatArray, LabelArray]:
    """Change a picture in 0..1 and its labels, both `[H, W]`, as files and figures do."""
    if rng.random() < ranges.border_share:
        picture, labels = bordered(picture, labels, ranges, rng)
    if rng.random() < ranges.text_share:
        picture = with_text(picture, rng)
    if rng.random() < ranges.arrow_share:
        picture = with_arrows(picture, rng)
    if rng.random() < ranges.jpeg_share:
        picture = compressed(picture, int(rng.uniform(*ranges.jpeg_quality)))
    return picture, labels


def bordered(
    picture: FloatArray, labels: LabelArray, ranges: Ranges, rng: np.random.Generator
) -> tuple[FloatArray, LabelArray]:
    """Cover one or both ends of an axis, or all sides: black, or white in a few. Labels under it become background."""
    keep = np.ones(picture.shape, bool)
    for axis in ((0,), (1,), (0, 1))[int(rng.integers(3))]:
        for end in (slice(None), slice(None, None, -1)):
            width = int(rng.uniform(*ranges.border) * picture.shape[axis] * (rng.random() < 0.8))
            view = keep[end] if axis == 0 else keep[:, end].T
            view[:width] = False
    grey = np.float32(1.0 if rng.random() < 0.15 else 0.0)
    return np.where(keep, picture, grey), np.where(keep, labels, np.uint8(0))


def with_text(picture: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Write a few words near the edges, and draw a scale or a frame."""
    drawn, (height, width) = _eight_bits(picture), picture.shape
    grey = int(rng.uniform(180, 256))
    for _ in range(int(rng.integers(1, 5))):
        words = "".join(rng.choice(list(LETTERS), int(rng.integers(2, 12))))
        row = int(height * (rng.uniform(0.03, 0.12) if rng.random() < 0.5 else rng.uniform(0.9, 0.99)))
        column = int(width * (0.01 if rng.random() < 0.5 else rng.uniform(0.5, 0.85)))
        scale = float(rng.uniform(0.15, 0.35) * width / 128)
        cv2.putText(drawn, words, (column, row), cv2.FONT_HERSHEY_SIMPLEX, scale, grey, 1, cv2.LINE_AA)
    if rng.random() < 0.3:
        cv2.rectangle(drawn, (0, 0), (width - 1, height - 1), grey, 1)
    if rng.random() < 0.3:
        column = int(width * rng.uniform(0.93, 0.98))
        for row in range(height // 4, 3 * height // 4, max(height // 20, 2)):
            cv2.line(drawn, (column, row), (column + 3, row), grey, 1)
    return _grey(drawn)


def with_arrows(picture: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw one to three arrows or arrowheads anywhere."""
    drawn, (height, width) = _eight_bits(picture), picture.shape
    for _ in range(int(rng.integers(1, 4))):
        tip = rng.uniform(0.15, 0.85, 2) * (width, height)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.06, 0.18) * width
        tail = tip + length * np.array([np.cos(angle), np.sin(angle)])
        ends = [(int(x), int(y)) for x, y in (tail, tip)]
        thickness = max(1, width // 100)
        cv2.arrowedLine(drawn, ends[0], ends[1], int(rng.uniform(200, 256)), thickness, cv2.LINE_AA, tipLength=0.4)
    return _grey(drawn)


def compressed(picture: FloatArray, quality: int) -> FloatArray:
    """Write a picture as an 8-bit JPEG of a quality (OpenCV's scale of 0 to 100), and read it."""
    _, file = cv2.imencode(".jpg", _eight_bits(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return _grey(np.asarray(decoded, np.uint8))


def _eight_bits(picture: FloatArray) -> npt.NDArray[np.uint8]:
    return np.round(picture * 255).astype(np.uint8)


def _grey(drawn: npt.NDArray[np.uint8]) -> FloatArray:
    return drawn.astype(np.float32) / np.float32(255)
