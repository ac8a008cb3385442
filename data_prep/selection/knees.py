"""Which knee each sagittal stack shows, by headers and by the positions of slices; and which knee is predicted on.

x of the patient system grows to the patient's left (PS3.3 C.7.6.2.1.1), however the patient lies in the scanner. The x
of a single stack isn't reliable, because the knee is often moved to the scanner's middle. Two stacks can be compared.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data_prep.errors import UnsuitableStudy
from data_prep.notice import Notice
from data_prep.selection.side import Side, stated_side
from data_prep.selection.stack import Stack
from data_prep.volume import Laterality

# A knee with its skin is about 100 to 130 mm wide from side to side. 3D series of one knee (DESS of the OAI: 160 slices
# of 0.7 mm; isotropic ones: up to 160 slices of 1 mm) are narrower than this. Series of both knees are 220 mm or more.
ONE_KNEE_MM = 180.0
# The limit if a header says that both knees are shown: narrow knees may touch.
ONE_KNEE_IF_BOTH_MM = 140.0
# Stacks of one knee overlap, so their middles are much closer than the width of a knee. The middles of two knees are at
# least the width of a child's knee apart.
KNEES_APART_MM = 80.0
# The gap between the knees in a stack of both; missing slices rarely make such a large gap.
BETWEEN_KNEES_MM = 30.0
# Patients are moved sideways to bring the knee nearer to the scanner's middle, but never this far beyond it.
BEYOND_MIDDLE_MM = 80.0

NAMES: dict[Laterality, str] = {"L": "left", "R": "right"}
ANOTHER_SERIES = "another series was asked for"
HOW_TO_ASK = "Send one knee at a time, or ask for one: `?laterality=L` or `R`, `--laterality` on the command line."


@dataclass(frozen=True, eq=False)
class _Sided:
    """A stack and its side.

    Attributes:
        place: the number of its cluster of stacks, and its frame of reference.
        contradiction: why its side is unknown although headers name one.
        by_position: whether the side is known by positions only, not by headers.
        both: whether headers name both sides.
    """

    stack: Stack
    place: tuple[int, str]
    side: Laterality = "unknown"
    contradiction: str | None = None
    by_position: bool = False
    both: bool = False


@dataclass(frozen=True)
class Knee:
    """The stacks of the knee that is predicted on.

    Attributes:
        sides: the side of each stack.
        notices: the notices of each stack.
        passed_over: the other stacks, each with the reason.
    """

    stacks: tuple[Stack, ...]
    sides: dict[Stack, Laterality] = field(repr=False)
    notices: dict[Stack, tuple[Notice, ...]] = field(repr=False)
    passed_over: tuple[tuple[Stack, str], ...]


def too_wide(stack: Stack) -> str | None:
    """Why a stack can't show one knee only; None if it can."""
    if stack.extent_mm <= ONE_KNEE_IF_BOTH_MM:
        return None
    limit = ONE_KNEE_IF_BOTH_MM if stated_side(frame.header for frame in stack.frames).both else ONE_KNEE_MM
    if stack.extent_mm <= limit:
        return None
    return f"its slices cover {stack.extent_mm:.5g} mm from side to side, but one knee is at most {limit:.0f} mm wide"


def parted(stack: Stack, fewest: int) -> list[Stack]:
    """A stack of two knees with a gap between them, as two stacks; any other stack unchanged.

    Args:
        stack: the stack.
        fewest: slices that each part must have; a smaller part means that slices are missing.
    """
    if stack.plane != "sagittal" or stack.offsets_mm is None or len(stack.frames) < 2 * fewest:
        return [stack]
    steps = np.diff(stack.offsets_mm)
    cut = int(steps.argmax()) + 1
    if stack.extent_mm <= ONE_KNEE_MM or steps.max() < BETWEEN_KNEES_MM or min(cut, len(stack.frames) - cut) < fewest:
        return [stack]
    return [replace(stack, frames=stack.frames[:cut]), replace(stack, frames=stack.frames[cut:])]


def one_knee(stacks: Sequence[Stack], asked: Side | None = None, series_uid: str | None = None) -> Knee:
    """The stacks of the only knee, or of the knee that was asked for.

    Args:
        stacks: sagittal stacks.
        asked: the knee that was asked for; None if none was.
        series_uid: the series that was asked for; None if none was. The others only help to find its side.

    Raises:
        UnsuitableStudy: two knees are shown and none was asked for, or the one that was asked for isn't found.
    """
    everything = _sided(stacks)
    sided = [one for one in everything if series_uid in (None, one.stack.series_uid)]
    two = _two_knees(sided)
    if two and asked is None:
        raise UnsuitableStudy(f"The study shows two knees: {two}. {HOW_TO_ASK}", kind="two-knees")
    chosen = sided
    if asked and (two or any(one.side != "unknown" or one.contradiction for one in sided)):
        chosen = [one for one in sided if one.side == asked]
    if asked and not chosen:
        raise UnsuitableStudy(_not_there(sided, asked), kind="two-knees" if two else "wrong-knee")
    return Knee(
        stacks=tuple(one.stack for one in chosen),
        sides={one.stack: one.side for one in chosen},
        notices={one.stack: tuple(_notices(one, asked)) for one in chosen},
        passed_over=tuple(
            (one.stack, _why_not(one) if one in sided else ANOTHER_SERIES) for one in everything if one not in chosen
        ),
    )


def _sided(stacks: Sequence[Stack]) -> list[_Sided]:
    sided = []
    for stack, cluster in zip(stacks, _clusters(stacks), strict=True):
        said = stated_side(frame.header for frame in stack.frames)
        contradiction = said.contradiction or _beyond_middle(stack, said.side)
        side: Laterality = "unknown" if contradiction or said.side is None else said.side
        sided.append(_Sided(stack, (cluster, stack.frame_of_reference), side, contradiction, both=said.both))
    return _compared(_shared(sided))


def _clusters(stacks: Sequence[Stack]) -> list[int]:
    """The group of each stack, numbered from 1 from the patient's right to the left; 0 without positions."""
    middles = np.array([np.inf if stack.middle_mm is None else stack.middle_mm[0] for stack in stacks])
    order = np.argsort(middles, kind="stable")
    clusters = np.empty(len(stacks), int)
    with np.errstate(invalid="ignore"):  # inf - inf
        clusters[order] = np.cumsum(np.diff(middles[order], prepend=-np.inf) >= KNEES_APART_MM)
    return [int(cluster) if np.isfinite(middle) else 0 for middle, cluster in zip(middles, clusters, strict=True)]


def _beyond_middle(stack: Stack, side: Side | None) -> str | None:
    if side is None or stack.middle_mm is None:
        return None
    left_mm = float(stack.middle_mm[0])
    beyond, other = (left_mm, "left") if side == "R" else (-left_mm, "right")
    if beyond < BEYOND_MIDDLE_MM:
        return None
    return f"The headers say {NAMES[side]}, but the slices lie {beyond:.0f} mm to the {other} of the scanner's middle."


def _compared(sided: list[_Sided]) -> list[_Sided]:
    """Name sides by position: of two groups in one frame of reference, the one with the larger x is the left knee."""
    clusters = sorted({one.place[0] for one in sided} - {0})
    if len(clusters) != 2 or len({one.place[1] for one in sided}) > 1:
        return sided
    lies: dict[int, Laterality] = {clusters[0]: "R", clusters[1]: "L"}
    if any(one.side not in ("unknown", lies.get(one.place[0], one.side)) for one in sided):
        crossed = "By the headers, the right knee would lie further to the patient's left than the left knee."
        return [replace(one, side="unknown", contradiction=one.contradiction or crossed) for one in sided]
    return [
        replace(one, side=lies[one.place[0]], by_position=True) if _is_open(one) and one.place[0] in lies else one
        for one in sided
    ]


def _shared(sided: list[_Sided]) -> list[_Sided]:
    """Stacks without a side in their headers get the side of the other stacks in their place, if these agree."""
    sides: dict[tuple[int, str], set[Laterality]] = defaultdict(set)
    for one in sided:
        sides[one.place] |= {one.side} - {"unknown"}
    return [
        replace(one, side=next(iter(sides[one.place]))) if _is_open(one) and len(sides[one.place]) == 1 else one
        for one in sided
    ]


def _is_open(one: _Sided) -> bool:
    return one.side == "unknown" and one.contradiction is None


def _two_knees(sided: Sequence[_Sided]) -> str | None:
    """Why the stacks must show two knees, in words; None if all of them may show one knee."""
    if {"L", "R"} <= {one.side for one in sided if not one.by_position}:
        return "some series show the left knee, others the right knee"
    if len({one.place[0] for one in sided} - {0}) > 1:
        middles = [one.stack.middle_mm[0] for one in sided if one.stack.middle_mm is not None]
        return f"sagittal series lie {max(middles) - min(middles):.0f} mm apart from side to side"
    return None


def _not_there(sided: Sequence[_Sided], asked: Side) -> str:
    contradictions = [one.contradiction for one in sided if one.contradiction]
    if contradictions:
        return f"The {NAMES[asked]} knee was asked for, but it isn't known which knee is shown. {contradictions[0]}"
    if {one.side for one in sided} <= {"unknown"}:
        return (
            f"The {NAMES[asked]} knee was asked for. The study shows two knees, but neither headers nor positions say "
            "which is which."
        )
    other = NAMES["L" if asked == "R" else "R"]
    return f"The {NAMES[asked]} knee was asked for, but the study shows the {other} one."


def _why_not(one: _Sided) -> str:
    if one.side != "unknown":
        return f"it shows the {NAMES[one.side]} knee"
    return f"it isn't known which knee it shows. {one.contradiction or ''}".strip()


def _notices(one: _Sided, asked: Side | None) -> Iterator[Notice]:
    if one.contradiction:
        yield Notice("laterality-contradicted", f"{one.contradiction} It isn't known which knee this is.")
    elif one.both and one.side == "unknown":
        covered = f"the slices cover {one.stack.extent_mm:.0f} mm, the width of one knee."
        unknown = "It isn't known which knee this is."
        yield Notice("laterality-contradicted", f"The headers name both knees, but {covered} {unknown}")
    if one.by_position:
        lies = f"This knee lies further to the {NAMES[one.side]} than the study's other knee."
        yield Notice("laterality-by-position", f"No header names the side. {lies}")
    if asked and one.side == "unknown":
        yield Notice(
            "laterality-unconfirmed", f"The {NAMES[asked]} knee was asked for, but no header says which knee this is."
        )
