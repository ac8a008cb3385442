"""The label maps of two real knees (see the README for CRUCIATE_REAL_KNEE), as tissues of the synthetic ones.

They know bones, cartilage and, in the first one, menisci and fibula; not the ligaments, and no tissue around the bones.
"""

import gzip
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from data_prep.phantom.tissues import NUMBERS
from data_prep.randomise import LabelMap

TISSUE_OF = {
    1: "femoral cartilage",
    2: "tibial cartilage",
    3: "tibial cartilage",
    4: "patellar cartilage",
    5: "femur",
    6: "tibia",
    7: "patella",
    8: "fibula",
    9: "menisci",
    10: "menisci",
}
"""What each number means, checked by looking at pictures of both files."""
CORTEX_MM, SKIN_MM = 1.2, 25.0


def read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(numbers `[x, y, z]` as in the file, space directions `[3, 3]` in mm) of an NRRD file with gzip encoding.

    Source of the format: https://teem.sourceforge.net/nrrd/format.html.
    """
    head, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line and line[0] != "#")
    assert fields["encoding"] in ("gzip", "gz")
    sizes = [int(size) for size in fields["sizes"].split()]
    types = {"short": "i2", "int16": "i2", "unsigned char": "u1", "uint8": "u1", "int": "i4", "unsigned short": "u2"}
    order = ">" if fields.get("endian") == "big" else "<"
    numbers = np.frombuffer(gzip.decompress(body), np.dtype(types[fields["type"]]).newbyteorder(order))
    directions = [vector.strip("()").split(",") for vector in fields["space directions"].split()]
    return numbers.reshape(sizes, order="F"), np.array(directions, float)


def real_label_map(path: Path, step: int = 3) -> LabelMap:
    """A real label map as sagittal slices: front at the left, head at the top, every `step`-th slice.

    Bones get a cortex; what lies around them is fat near the bones' surfaces and muscle further away, then air.
    """
    numbers, directions = read_nrrd(path)
    axes = [int(np.abs(directions[:, world]).argmax()) for world in (0, 1, 2)]
    signs = [np.sign(directions[axis, world]) for world, axis in enumerate(axes)]
    spacing = [float(np.linalg.norm(directions[axis])) for axis in axes]
    turned = numbers.transpose(axes[0], axes[2], axes[1])  # side, height, depth
    turned = turned[:: int(signs[0]), :: -int(signs[2]), :: int(signs[1])][::step]  # LPS: y grows to the back
    tissues = np.full(turned.shape, NUMBERS["fat"], np.uint8)
    apart = distance_transform_edt(turned == 0, sampling=(spacing[0] * step, spacing[2], spacing[1]))
    tissues[apart > SKIN_MM * 0.4] = NUMBERS["muscle"]
    tissues[apart > SKIN_MM] = NUMBERS["air"]
    for number, name in TISSUE_OF.items():
        mask = turned == number
        if number in (5, 6, 7, 8):
            tissues[mask] = NUMBERS[f"{name} cortex"]
            disc = np.ones((1, 1 + 2 * round(CORTEX_MM / spacing[2]), 1 + 2 * round(CORTEX_MM / spacing[1])), bool)
            tissues[binary_erosion(mask, disc, border_value=1)] = NUMBERS[f"{name} marrow"]
        else:
            tissues[mask] = NUMBERS[name]
    return LabelMap(tissues, (spacing[0] * step, spacing[2], spacing[1]))
