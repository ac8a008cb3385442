"""Label maps: they agree with the masks, name everything that lies in a knee, and change no pixel."""

import dataclasses
import hashlib

import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from data_prep.phantom import Phantom, generate
from data_prep.phantom.scanner import PROFILES
from data_prep.phantom.tissues import BONES, NUMBERS, STRUCTURES, TISSUES, majority, structures_of

SMALL = [dataclasses.replace(profile, acquired=(96,), matrices=(128,)) for profile in PROFILES]
DIGESTS = (
    "2120b41ea2b7ddd05489c929eb74226f70db80fe8e6bae90342cea4e22969b0e",
    "700fb6b265f152d94c67e67cbdd62e135f6791593a059ae03e9ca0dfe639ada7",
    "92fa3679c17c334ba902c07d2e145821745ea82d686397334e68b82ff1e7eebc",
    "e6ce93d22f86d5493ab60947a82c854cad0b05fe25cad93790107a1c8780d45f",
)
"""SHA-256 of pixels (little endian), ligament and bones of seeds 1 to 4, made before label maps existed."""


@pytest.fixture(scope="module")
def knees() -> list[Phantom]:
    """One small knee of each class."""
    return [
        generate(seed, label, SMALL[index % 3]) for index, (seed, label) in enumerate(enumerate(FOUR_CLASS.classes, 1))
    ]


def test_label_maps_change_no_pixel(knees: list[Phantom]) -> None:
    for knee, digest in zip(knees, DIGESTS, strict=True):
        truth = knee.pixels.astype("<u2").tobytes() + knee.acl.tobytes() + knee.bones.tobytes()
        assert hashlib.sha256(truth).hexdigest() == digest


def test_label_maps_agree_with_the_masks(knees: list[Phantom]) -> None:
    for knee in knees:
        assert knee.tissues.shape == knee.pixels.shape
        assert np.array_equal(structures_of(knee, ("acl",)) == 1, knee.acl)
        assert np.array_equal(structures_of(knee, BONES), knee.bones)


def test_every_tissue_of_a_knee_is_there(knees: list[Phantom]) -> None:
    found = {TISSUES[number] for knee in knees for number in np.unique(knee.tissues)}
    assert set(TISSUES) - found <= {"femur oedema", "tibia oedema"}
    tears = [NUMBERS["acl tear"] in knee.tissues for knee in knees]
    assert tears == [False, False, True, True]


def test_tissues_lie_where_they_belong(knees: list[Phantom]) -> None:
    """Signal tells: fluid is bright, cortex is dark, air has none. The patella lies in front of the other ligament."""
    for knee in knees:
        mean = {name: knee.pixels[knee.tissues == NUMBERS[name]].mean() for name in ("air", "femur cortex", "fluid")}
        assert mean["air"] < mean["fluid"] / 4
        assert mean["femur cortex"] < mean["fluid"] / 2
        columns = {
            name: np.nonzero(structures_of(knee, (name,)))[2].mean() for name in ("patella", "acl", "pcl", "fibula")
        }
        assert columns["patella"] < columns["acl"] < columns["pcl"]


def test_structures_have_the_order_of_their_names(knees: list[Phantom]) -> None:
    names = tuple(STRUCTURES)
    labels = structures_of(knees[0], names)
    for value, name in enumerate(names, start=1):
        assert np.array_equal(labels == value, structures_of(knees[0], (name,)) == 1)
    with pytest.raises(ValueError, match="no structure 'ligament'; there are: acl, pcl"):
        structures_of(knees[0], ("ligament",))


def test_the_majority_of_three_thin_slices() -> None:
    thin = [np.array(values, np.uint8) for values in ([1, 1, 2, 3], [1, 2, 2, 4], [1, 1, 5, 5])]
    assert majority(thin).tolist() == [1, 1, 2, 4]
