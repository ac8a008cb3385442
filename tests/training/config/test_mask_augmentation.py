import pytest

from data_prep.augment import Augmentation
from training.config.mask_augmentation import MaskAugmentation


def test_the_changes_of_whole_images_are_those_of_classifiers():
    listed = MaskAugmentation(rotation_degrees=5.0, elastic=0.1, crops=44, crop_size=(8, 8), orientations=True)
    assert listed.changes == Augmentation(rotation_degrees=5.0, elastic=0.1)
    assert MaskAugmentation(crops=2, crop_size=(8, 8)).changes == Augmentation()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"crops": 1, "crops_in_all": 500, "crop_size": (8, 8)}, "choose one"),
        ({"crops": 1}, "crops need a crop_size"),
        ({"crop_size": (8, 8)}, "crop_size needs crops"),
        ({"crops": 1, "crop_size": (8, 16), "orientations": True}, "orientations need square crops"),
        ({"drop": 1.0}, "drop must be from 0 to below 1"),
    ],
)
def test_values_that_do_not_fit_together(values, said):
    with pytest.raises(ValueError, match=said):
        MaskAugmentation(**values)
