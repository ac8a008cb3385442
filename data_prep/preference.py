"""Which of several sagittal stacks is judged: criteria in the order in which they count, and what each says of a loser.

Within a series: water of a Dixon set, the echo nearest to intermediate weighting, the first time point. Across series:
what a reader would open first for the ACL, a fluid-sensitive, fat-suppressed sagittal series.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_prep.acquisition import fat_suppressed, fluid_sensitive
from data_prep.stack import Stack

# The echo time of intermediate weighting, as in the fat-suppressed proton-density series that models are trained on.
INTERMEDIATE_TE_MS = 35.0


@dataclass(frozen=True)
class Criterion:
    """A reason to prefer one stack to another: the larger `key`. reason(loser, winner, all candidates) says it."""

    key: Callable[[Stack], float]
    reason: Callable[[Stack, Stack, Sequence[Stack]], str]


def prefer(candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> tuple[Stack, list[tuple[Stack, str]]]:
    """The best candidate, and each other one with the first reason against it. UIDs settle a draw."""

    def rank(stack: Stack) -> tuple[float | str, ...]:
        return (*(-criterion.key(stack) for criterion in criteria), stack.series_uid, stack.frames[0].sop_uid)

    winner, *losers = sorted(candidates, key=rank)
    return winner, [(loser, _why(loser, winner, candidates, criteria)) for loser in losers]


def _why(loser: Stack, winner: Stack, candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> str:
    for criterion in criteria:
        if criterion.key(loser) < criterion.key(winner):
            return criterion.reason(loser, winner, candidates)
    return f"as good as what was taken of series {winner.series_uid}, whose UIDs come first"


def _number(stack: Stack, keyword: str, missing: float = 0.0) -> float:
    value = stack.header.number(keyword)
    return missing if value is None else value


def _yes_unknown_no(answer: bool | None) -> float:
    return {True: 2.0, None: 1.0, False: 0.0}[answer]


def _echo_reason(loser: Stack, winner: Stack, candidates: Sequence[Stack]) -> str:
    times = sorted({_number(stack, "EchoTime") for stack in candidates})

    def name(stack: Stack) -> tuple[int, float]:
        return times.index(_number(stack, "EchoTime")) + 1, _number(stack, "EchoTime")

    (number, time), (other, nearer) = name(loser), name(winner)
    return (
        f"echo {number} of {len(times)} (TE {time:.1f} ms): "
        f"echo {other} (TE {nearer:.1f} ms) is nearer to {INTERMEDIATE_TE_MS:g} ms"
    )


def _fat_reason(loser: Stack, winner: Stack, _: Sequence[Stack]) -> str:
    if fat_suppressed(winner.header):
        return f"not fat-suppressed, as far as headers say; series {winner.series_uid} is"
    return f"not fat-suppressed; of series {winner.series_uid} it isn't known"


FAT = Criterion(lambda stack: _yes_unknown_no(fat_suppressed(stack.header)), _fat_reason)
SLICES = Criterion(
    lambda stack: len(stack.frames),
    lambda loser, winner, _: f"{len(loser.frames)} slices; series {winner.series_uid} has {len(winner.frames)}",
)
WITHIN_SERIES = (
    FAT,
    Criterion(lambda stack: -abs(_number(stack, "EchoTime", 1e6) - INTERMEDIATE_TE_MS), _echo_reason),
    Criterion(
        lambda stack: -_number(stack, "TemporalPositionIdentifier"),
        lambda loser, *_: f"time point {_number(loser, 'TemporalPositionIdentifier'):g}: the first is taken",
    ),
    Criterion(
        lambda stack: -_number(stack, "DiffusionBValue"),
        lambda loser, *_: f"b-value {_number(loser, 'DiffusionBValue'):g}: the lowest is taken",
    ),
    SLICES,
)
ACROSS_SERIES = (
    Criterion(
        lambda stack: 0.0 if "DERIVED" in stack.header.texts("ImageType") else 1.0,
        lambda _, winner, __: f"derived images; series {winner.series_uid} is original",
    ),
    Criterion(
        lambda stack: _yes_unknown_no(fluid_sensitive(stack.header)),
        lambda loser, winner, _: (
            f"not fluid-sensitive (TR {_number(loser, 'RepetitionTime'):g} ms); series {winner.series_uid} is"
        ),
    ),
    FAT,
    SLICES,
    Criterion(
        lambda stack: -round(stack.spacing_mm[1] * stack.spacing_mm[2], 3),
        lambda loser, winner, _: (
            f"pixels of {loser.spacing_mm[1]:.2f} mm; series {winner.series_uid} has {winner.spacing_mm[1]:.2f} mm"
        ),
    ),
)
