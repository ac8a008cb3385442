"""Finds faults by geometry and headers: where the slices lie, how fine the picture is, how it was made."""

import numpy as np

from data_prep.network_input.suitability import COARSE_SLICES_MM
from data_prep.selection.acquisition import LONG_TR_MS
from data_prep.selection.candidates import MIN_SLICES
from data_prep.selection.stack import PLANES, STEP_TOLERANCE
from data_prep.volume import Volume

# Routine knee protocols have pixels of 0.3 to 0.7 mm. With larger pixels than this, the bundles of a ligament (1 to
# 2 mm each) can't be seen separately.
COARSE_PIXELS_MM = 1.0


def too_few_slices(volume: Volume) -> str | None:
    """A reason if there are fewer slices than the service accepts."""
    slices = len(volume.voxels)
    return f"Only {slices} slices; at least {MIN_SLICES} are needed." if slices < MIN_SLICES else None


def gap(volume: Volume) -> str | None:
    """A reason if a distance between slices isn't the usual one. Arrays have no positions, so none is found there."""
    steps, usual = np.diff(volume.positions_mm @ volume.normal), volume.spacing_mm[0]
    odd = np.flatnonzero(np.abs(np.abs(steps) - usual) > STEP_TOLERANCE * usual)
    if not odd.size:
        return None
    first = int(odd[0])
    return (
        f"Slices {first + 1} and {first + 2} lie {abs(steps[first]):.2f} mm apart where {usual:.2f} mm is usual; "
        f"{STEP_TOLERANCE:.0%} more or less is allowed."
    )


def coarse_slices(volume: Volume) -> str | None:
    """A reason if slices are too far apart."""
    step = volume.spacing_mm[0]
    reason = f"Slices lie {step:.1f} mm apart; at most {COARSE_SLICES_MM:g} mm is allowed."
    return reason if step > COARSE_SLICES_MM else None


def coarse_pixels(volume: Volume) -> str | None:
    """A reason if rows or columns are too far apart."""
    pixel = max(volume.spacing_mm[1:])
    reason = f"Pixels of {pixel:.2f} mm; at most {COARSE_PIXELS_MM:g} mm is allowed."
    return reason if pixel > COARSE_PIXELS_MM else None


def wrong_plane(volume: Volume) -> str | None:
    """A reason if the normal's largest component isn't sagittal. For arrays, which have no directions, see `plane`."""
    plane = PLANES[int(np.abs(volume.normal).argmax())]
    return None if plane == "sagittal" else f"The slices are {plane}; sagittal ones are needed."


def not_fluid_sensitive(volume: Volume) -> str | None:
    """A reason if RepetitionTime is short (T1 weighting).

    None if the header doesn't give it, or if other fields show that the series is fluid-sensitive.
    """
    repetition_ms = volume.acquisition.repetition_time_ms
    if repetition_ms is None or repetition_ms >= LONG_TR_MS or volume.acquisition.fluid_sensitive:
        return None
    return f"RepetitionTime is {repetition_ms:g} ms; fluid is bright from {LONG_TR_MS:g} ms up."
