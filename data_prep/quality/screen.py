"""All checks of a volume, by the kinds of their flags."""

from collections.abc import Callable

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.suitability import examine
from data_prep.quality import plane, sampling
from data_prep.quality.blur import blurred
from data_prep.quality.body_part import named_otherwise, wrong_body_part
from data_prep.quality.border import wraparound
from data_prep.quality.flag import Flag, flag_of
from data_prep.quality.ghosts import ghosts
from data_prep.quality.grey import clipped, flat
from data_prep.quality.metal import metal
from data_prep.quality.sketch import Sketch
from data_prep.quality.slices import (
    blank_slices,
    blank_volume,
    duplicate_slices,
    interpolated_slices,
    noise_slices,
)
from data_prep.quality.view import knee_not_in_view, two_knees
from data_prep.volume import Volume

# Each check returns a reason, or None if there is no fault. These check geometry and headers.
OF_SAMPLING: dict[str, Callable[[Volume], str | None]] = {
    "too-few-slices": sampling.too_few_slices,
    "gap": sampling.gap,
    "coarse-slices": sampling.coarse_slices,
    "coarse-pixels": sampling.coarse_pixels,
    "wrong-plane": sampling.wrong_plane,
    "wrong-body-part": named_otherwise,
    "not-fluid-sensitive": sampling.not_fluid_sensitive,
}
# These check pixels. They need at least one slice that shows something.
OF_PIXELS: dict[str, Callable[[Sketch], str | None]] = {
    "blank-slices": blank_slices,
    "noise-slices": noise_slices,
    "duplicate-slices": duplicate_slices,
    "interpolated-slices": interpolated_slices,
    "clipped": clipped,
    "flat": flat,
    "ghosts": ghosts,
    "blurred": blurred,
    "wraparound": wraparound,
    "metal": metal,
    "wrong-plane": plane.wrong_plane,
    "wrong-body-part": wrong_body_part,
    "two-knees": two_knees,
    "knee-not-in-view": knee_not_in_view,
}
# Studies that can't be loaded as one volume have these kinds (of `InputError`), or some of the kinds above.
OF_LOADING = ("unreadable", "no-positions", "odd-geometry", "mixed-studies", "wrong-knee", "nothing-to-predict-on")
KINDS = (*dict.fromkeys((*OF_SAMPLING, "blank-volume", *OF_PIXELS, *OF_LOADING)),)


def screen(volume: Volume) -> tuple[Flag, ...]:
    """Find all faults that pixels, geometry and headers show.

    The time grows with the number of voxels, which are read twice. If the plane isn't sagittal, the pixels aren't
    checked: the thresholds hold for sagittal slices.
    """
    flags = [Flag(kind, reason) for kind, check in OF_SAMPLING.items() if (reason := check(volume))]
    if sampling.wrong_plane(volume):
        return tuple(flags)
    sketch = Sketch(volume)
    try:
        examine(volume)
    except UnsuitableStudy as error:
        return *flags, flag_of(error)
    if reason := blank_volume(sketch):
        return *flags, Flag("blank-volume", reason)
    return *flags, *(Flag(kind, reason) for kind, check in OF_PIXELS.items() if (reason := check(sketch)))
