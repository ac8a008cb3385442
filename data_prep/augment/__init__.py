"""Small random changes to a whole exam: `Augmentation` holds their ranges, `draw` makes one for all slices and masks.

OpenCV and SciPy do the filtering and the resampling. This package composes the maps, so that slices are interpolated
only once. No library does this: albumentations is archived and its successor is under the AGPL, TorchIO and MONAI need
torch, and batchgenerators draws from NumPy's global state and resamples in three dimensions, at ten times the cost.
"""

from data_prep.augment.augmentation import Augmentation, Draw

__all__ = ["Augmentation", "Draw"]
