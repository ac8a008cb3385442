import dataclasses
import json

import pytest
from pydantic import TypeAdapter, ValidationError

from models.segment.networks import Architecture


@pytest.mark.parametrize(
    ("architecture", "multiple"),
    [
        (Architecture("unet", width=64, depth=4), (1, 16, 16)),
        (Architecture("xnet", width=64, depth=3), (1, 8, 8)),
        (Architecture("se-regunet", width=16, depth=4), (1, 32, 32)),
        (Architecture("se-regunet", width=16, depth=2, variant="400mf"), (1, 8, 8)),
        (Architecture("unet3d", width=8, depth=4), (4, 16, 16)),
        (Architecture("unet3d", width=8, depth=2), (1, 4, 4)),
        (Architecture("unet3d", width=8, depth=3, variant="isotropic"), (8, 8, 8)),
    ],
    ids=str,
)
def test_multiples_that_a_network_needs(architecture, multiple):
    assert architecture.multiple == multiple


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "segnet"}, "there is no network 'segnet'; there are unet, xnet, se-regunet, unet3d"),
        ({"variant": "4gf"}, "unet has no variant '4gf'; it has none"),
        ({"network": "unet3d", "variant": "flat"}, "unet3d has no variant 'flat'; it has anisotropic, isotropic"),
        ({"depth": 0}, "unet has no depth 0; it has 1 to 8"),
        ({"network": "xnet", "depth": 1}, "xnet has no depth 1; it has 2 to 8"),
        ({"network": "se-regunet", "depth": 5}, "se-regunet has no depth 5; it has 1 to 4"),
        ({"width": 0}, "unet needs at least 1 channel, 2 classes and a width of 1"),
        ({"classes": 1}, "unet needs at least 1 channel, 2 classes and a width of 1"),
    ],
    ids=str,
)
def test_what_does_not_exist_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        Architecture(**{"network": "unet", "width": 8, "depth": 3, **wrong})


def test_an_architecture_survives_json():
    """As in a bundle; pydantic reads it as it reads presets."""
    architecture = Architecture("se-regunet", 3, 7, width=16, depth=4, variant="400mf")
    text = json.dumps(dataclasses.asdict(architecture))
    assert TypeAdapter(Architecture).validate_json(text) == architecture


def test_a_preset_with_a_wrong_value_names_its_key():
    with pytest.raises(ValidationError, match="classes"):
        TypeAdapter(Architecture).validate_python({"network": "unet", "width": 8, "depth": 3, "classes": 2.5})


@pytest.mark.parametrize("size", [(16, 24), (3, 16, 24)])
def test_a_size_that_fits(size):
    Architecture("unet", width=8, depth=3).check_size(size)


def test_a_size_that_does_not_fit_is_named_with_what_would():
    said = "unet3d of depth 4 needs sizes that are multiples of 4 x 16 x 16: 18 x 320 x 320"
    with pytest.raises(ValueError, match=said):
        Architecture("unet3d", width=8, depth=4).check_size((18, 320, 320))
