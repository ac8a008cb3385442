"""Which knee each sagittal stack shows, by what headers say and by where the slices lie; and the one that is judged.

x of the patient system grows to the patient's left (PS3.3 C.7.6.2.1.1), whichever way the patient lies in the scanner.
A single stack's x says little, because the knee is often moved to the scanner's middle; two stacks can be compared.
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

# A knee measures some 100 to 130 mm from side to side with its skin, and 3D series of one (DESS of the OAI: 160 slices
# of 0.7 mm; isotropic ones: up to 160 of 1 mm) stay below this. Over both knees it is 220 mm and more.
ONE_KNEE_MM = 180.0
# Where a header says that both are shown, less than that is believed: two narrow knees that touch.
ONE_KNEE_IF_BOTH_MM = 140.0
# Stacks of one knee overlap, so their middles are much closer than a knee is wide; those of two knees lie at least as
# far apart as a child's knee is wide.
KNEES_APART_MM = 80.0
# What a stack over both knees leaves out between them; missing slices rarely come to that.
BETWEEN_KNEES_MM = 30.0
# Patients are moved sideways so that the knee comes nearer to the scanner's middle, and never so far beyond it.
BEYOND_MIDDLE_MM = 80.0

NAMES: dict[Laterality, str] = {"L": "left", "R": "right"}
HOW_TO_ASK = "Send one knee at a time, or ask for one: `?laterality=L` or `R`, `--laterality` on the command line."


@dataclass(frozen=True, eq=False)
class _Sided:
    """A stack and its side. place: which cluster of stacks it lies in, and its frame of reference.

    contradiction: why no side is taken though headers name one. by_position: headers don't name it, positions tell.
    """

    stack: Stack
    place: tuple[int, str]
    side: Laterality = "unknown"
    contradiction: str | None = None
    by_position: bool = False
    both: bool = False


@dataclass(frozen=True)
class Knee:
    """The stacks of the knee that is judged, with side and notices of each; of all others why they aren't of it."""

    stacks: tuple[Stack, ...]
    sides: dict[Stack, Laterality] = field(repr=False)
    notices: dict[Stack, tuple[Notice, ...]] = field(repr=False)
    passed_over: tuple[tuple[Stack, str], ...]


def too_wide(stack: Stack) -> str | None:
    """Why a stack can't be of one knee; None if it can."""
    if stack.extent_mm <= ONE_KNEE_IF_BOTH_MM:
        return None
    limit = ONE_KNEE_IF_BOTH_MM if stated_side(frame.header for frame in stack.frames).both else ONE_KNEE_MM
    if stack.extent_mm <= limit:
        return None
    return f"its slices cover {stack.extent_mm:.0f} mm from side to side, and one knee takes {limit:.0f} mm at most"


def parted(stack: Stack, fewest: int) -> list[Stack]:
    """A stack over two knees that leaves out what is between them, as two; any other as it is.

    fewest: slices that a part must have; where fewer are left, slices are missing.
    """
    if stack.plane != "sagittal" or stack.offsets_mm is None or len(stack.frames) < 2 * fewest:
        return [stack]
    steps = np.diff(stack.offsets_mm)
    cut = int(steps.argmax()) + 1
    if stack.extent_mm <= ONE_KNEE_MM or steps.max() < BETWEEN_KNEES_MM or min(cut, len(stack.frames) - cut) < fewest:
        return [stack]
    return [replace(stack, frames=stack.frames[:cut]), replace(stack, frames=stack.frames[cut:])]


def one_knee(stacks: Sequence[Stack], asked: Side | None = None) -> Knee:
    """The stacks of the only knee, or of the one that was asked for. UnsuitableStudy with a sentence otherwise."""
    sided = _sided(stacks)
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
        passed_over=tuple((one.stack, _why_not(one)) for one in sided if one not in chosen),
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
    """Which group of stacks each belongs to, from 1, from the patient's right to the left; 0 without positions."""
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
    return f"The headers say {NAMES[side]}, and the slices lie {beyond:.0f} mm to the {other} of the scanner's middle."


def _compared(sided: list[_Sided]) -> list[_Sided]:
    """Of two groups of stacks in one frame of reference, the one with the larger x is the left knee's."""
    clusters = sorted({one.place[0] for one in sided} - {0})
    if len(clusters) != 2 or len({one.place[1] for one in sided}) > 1:
        return sided
    lies: dict[int, Laterality] = {clusters[0]: "R", clusters[1]: "L"}
    if any(one.side not in ("unknown", lies.get(one.place[0], one.side)) for one in sided):
        crossed = "The headers call the knee that lies further to the patient's left the right one."
        return [replace(one, side="unknown", contradiction=one.contradiction or crossed) for one in sided]
    return [
        replace(one, side=lies[one.place[0]], by_position=True) if _is_open(one) and one.place[0] in lies else one
        for one in sided
    ]


def _shared(sided: list[_Sided]) -> list[_Sided]:
    """Stacks whose headers are silent are of the same side as the others in their place, where these agree."""
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
    """How that shows; None if all stacks may be of one knee."""
    if {"L", "R"} <= {one.side for one in sided if not one.by_position}:
        return "some series are of the left one, others of the right"
    if len({one.place[0] for one in sided} - {0}) > 1:
        middles = [one.stack.middle_mm[0] for one in sided if one.stack.middle_mm is not None]
        return f"sagittal series lie {max(middles) - min(middles):.0f} mm apart from side to side"
    return None


def _not_there(sided: Sequence[_Sided], asked: Side) -> str:
    contradictions = [one.contradiction for one in sided if one.contradiction]
    if contradictions:
        return f"The {NAMES[asked]} knee was asked for, and which knee is shown isn't known. {contradictions[0]}"
    if {one.side for one in sided} <= {"unknown"}:
        return (
            f"The {NAMES[asked]} knee was asked for; the study shows two, and neither headers nor positions name them."
        )
    other = NAMES["L" if asked == "R" else "R"]
    return f"The {NAMES[asked]} knee was asked for, and the study shows the {other} one."


def _why_not(one: _Sided) -> str:
    if one.side != "unknown":
        return f"of the {NAMES[one.side]} knee"
    return f"which knee it shows isn't known. {one.contradiction or ''}".strip()


def _notices(one: _Sided, asked: Side | None) -> Iterator[Notice]:
    if one.contradiction:
        yield Notice("laterality-contradicted", f"{one.contradiction} Which knee it is isn't known.")
    elif one.both and one.side == "unknown":
        covered = f"the slices cover {one.stack.extent_mm:.0f} mm, which is one knee."
        yield Notice("laterality-contradicted", f"The headers name both knees, and {covered} Which one isn't known.")
    if one.by_position:
        lies = f"Of the study's two knees it's the one that lies further to the {NAMES[one.side]}."
        yield Notice("laterality-by-position", f"No header names the side. {lies}")
    if asked and one.side == "unknown":
        yield Notice(
            "laterality-unconfirmed", f"The {NAMES[asked]} knee was asked for, and no header says which knee this is."
        )
