"""Small random changes to a whole exam: `Augmentation` holds their ranges, `draw` makes one for all slices and masks.

OpenCV and SciPy do the filters and the resampling; here their maps are composed, so that slices are interpolated once.
No library does that for us: albumentations is archived and its successor AGPL, TorchIO and MONAI need torch, and
batchgenerators draws from NumPy's global state and resamples in three dimensions, at ten times the cost.
"""

from data_prep.augment.augmentation import Augmentation, Draw

__all__ = ["Augmentation", "Draw"]
