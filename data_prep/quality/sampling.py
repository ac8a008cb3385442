"""Faults that geometry and headers show: where the slices lie, how fine the picture is, how it was made."""

import numpy as np

from data_prep.network_input.suitability import COARSE_SLICES_MM
from data_prep.selection.acquisition import LONG_TR_MS
from data_prep.selection.series import MIN_SLICES
from data_prep.selection.stack import PLANES, STEP_TOLERANCE
from data_prep.volume import Volume

# Routine knee protocols have pixels of 0.3 to 0.7 mm; beyond this a ligament's bundles, 1 to 2 mm each, run together.
COARSE_PIXELS_MM = 1.0


def too_few_slices(volume: Volume) -> str | None:
    """Fewer than the service takes."""
    slices = len(volume.voxels)
    return f"Only {slices} slices; at least {MIN_SLICES} are needed." if slices < MIN_SLICES else None


def gap(volume: Volume) -> str | None:
    """A step from slice to slice that isn't the usual one. Arrays have no positions, so theirs can't be seen."""
    steps, usual = np.diff(volume.positions_mm @ volume.normal), volume.spacing_mm[0]
    odd = np.flatnonzero(np.abs(np.abs(steps) - usual) > STEP_TOLERANCE * usual)
    if not odd.size:
        return None
    first = int(odd[0])
    return (
        f"Slices {first} and {first + 1} lie {abs(steps[first]):.2f} mm apart where {usual:.2f} mm is usual; "
        f"{STEP_TOLERANCE:.0%} more or less is allowed."
    )


def coarse_slices(volume: Volume) -> str | None:
    """Slices too far apart."""
    step = volume.spacing_mm[0]
    return f"Slices lie {step:.1f} mm apart; {COARSE_SLICES_MM:g} mm is the most." if step > COARSE_SLICES_MM else None


def coarse_pixels(volume: Volume) -> str | None:
    """Rows or columns too far apart."""
    pixel = max(volume.spacing_mm[1:])
    return f"Pixels of {pixel:.2f} mm; {COARSE_PIXELS_MM:g} mm is the most." if pixel > COARSE_PIXELS_MM else None


def wrong_plane(volume: Volume) -> str | None:
    """By the normal's largest component. Arrays have no directions: theirs is seen in the pixels."""
    plane = PLANES[int(np.abs(volume.normal).argmax())]
    return None if plane == "sagittal" else f"The slices are {plane}; sagittal ones are needed."


def not_fluid_sensitive(volume: Volume) -> str | None:
    """A short RepetitionTime (T1 weighting); nothing where the header is silent, or tells fluid by other means."""
    repetition_ms = volume.acquisition.repetition_time_ms
    if repetition_ms is None or repetition_ms >= LONG_TR_MS or volume.acquisition.fluid_sensitive:
        return None
    return f"RepetitionTime is {repetition_ms:g} ms; fluid is bright from {LONG_TR_MS:g} ms up."
