"""The stacks of one series that can be predicted on, and why its other parts can't."""

from collections.abc import Sequence
from typing import NamedTuple

from data_prep.dicom.frames import Frame
from data_prep.limits import odd_geometry
from data_prep.notice import counted
from data_prep.selection.kind import scout_by_geometry, scout_signs
from data_prep.selection.knees import parted, too_wide
from data_prep.selection.stack import Stack
from data_prep.selection.stacking import stacks
from data_prep.selection.usable import unusable

# A knee's ligaments and their surroundings are about 25 mm wide from side to side: fewer slices don't cover them.
MIN_SLICES = 8
# The kinds of refusal of a study without a volume to predict on. The first one that a part of the study has counts.
NOTHING_TO_PREDICT_ON = (
    *("two-knees", "odd-geometry", "too-few-slices", "no-positions", "wrong-plane", "nothing-to-predict-on"),
)


class Refusal(NamedTuple):
    """Why a part of a series can't be predicted on; `kind` is one of `NOTHING_TO_PREDICT_ON`."""

    kind: str
    reason: str


class Candidates(NamedTuple):
    """The stacks of one series that can be predicted on, why its other parts can't, and remarks about the series."""

    stacks: list[Stack]
    refusals: list[Refusal]
    notes: list[str]


def candidates_of(frames: Sequence[Frame]) -> Candidates:
    reasons = {frame: unusable(frame) for frame in frames}
    refused = [Refusal("nothing-to-predict-on", reason) for reason in sorted(filter(None, set(reasons.values())))]
    usable = [frame for frame, reason in reasons.items() if reason is None]
    parts, copies = stacks(usable)
    if usable and not parts:
        refused.append(Refusal("nothing-to-predict-on", "too many orientations or matrices in one series"))
    candidates = []
    for part in (half for whole in parts for half in parted(whole, MIN_SLICES)):
        refusal = _shortcoming(part)
        if refusal is None:
            candidates.append(part)
        else:
            refused.append(refusal)
    notes = [f"{counted(copies, 'image')} sent twice, under another SOPInstanceUID: used once"] if copies else []
    return Candidates(candidates, refused, notes)


def _shortcoming(stack: Stack) -> Refusal | None:
    if stack.plane != "sagittal":
        return Refusal("wrong-plane", f"plane is {stack.plane}")
    if len(stack.frames) < MIN_SLICES:
        return Refusal(
            "too-few-slices", f"only {counted(len(stack.frames), 'slice')}; at least {MIN_SLICES} are needed"
        )
    if disorder := stack.disorder():
        return Refusal("no-positions", disorder)
    if odd := odd_geometry(stack.shape, stack.spacing_mm):
        return Refusal("odd-geometry", odd)
    if scout_by_geometry(len(stack.frames), stack.spacing_mm, stack.planes):
        signs = scout_signs(len(stack.frames), stack.spacing_mm, stack.planes)
        return Refusal("nothing-to-predict-on", f"localizer, by its geometry: {'; '.join(signs)}")
    if wide := too_wide(stack):
        return Refusal("two-knees", wide)
    return None
