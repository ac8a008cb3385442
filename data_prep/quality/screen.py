"""All checks of a volume, by the names under which their flags are counted."""

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

# Each check returns a reason, or None if all is well. These look at geometry and headers.
OF_SAMPLING: dict[str, Callable[[Volume], str | None]] = {
    "too-few-slices": sampling.too_few_slices,
    "gap": sampling.gap,
    "coarse-slices": sampling.coarse_slices,
    "coarse-pixels": sampling.coarse_pixels,
    "wrong-plane": sampling.wrong_plane,
    "wrong-body-part": named_otherwise,
    "not-fluid-sensitive": sampling.not_fluid_sensitive,
}
# These look at pixels, of which some show something.
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
# These have studies that can't be loaded as one volume, besides some of the above: the kinds of `InputError`s.
OF_LOADING = ("unreadable", "no-positions", "mixed-studies", "wrong-knee", "nothing-to-judge")
KINDS = (*dict.fromkeys((*OF_SAMPLING, "blank-volume", *OF_PIXELS, *OF_LOADING)),)


def screen(volume: Volume) -> tuple[Flag, ...]:
    """Every fault that pixels, geometry and headers show; work grows with the voxels, which are read twice.

    The pixels of another plane aren't looked at: what is expected of them holds for sagittal slices.
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
