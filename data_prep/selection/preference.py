"""Which of several sagittal stacks is judged: criteria in the order in which they count, and what each says of a loser.

Within a series:

1. what plainly shows the anatomy, before what may be a map or a localizer: a wrong kind of image can't be judged at all
2. fat-suppressed, before unknown, before not: of a Dixon set, water
3. the echo time nearest to intermediate weighting, which models are trained on
4. the first echo, the first time point, the lowest b-value: less contrast agent, less diffusion weighting
5. more slices
6. corrected for distortion and for the coil's shading
7. the later acquisition, by time, then by number

Across series, what a reader would open first for the ACL:

1. no other part of the body than a knee named by the headers: an ankle may be in the same study
2. what plainly shows the anatomy
3. fluid-sensitive, before unknown, before not: a torn ligament is seen by the fluid in it
4. fat-suppressed, before unknown, before not: marrow hides fluid where fat is bright
5. anything, before a gradient echo (DESS, MERGE): it has many slices, and another contrast than the spin echoes that
   models are trained on; a quick one comes last, because scouts are made so
6. nothing unclear, such as an unknown word in its ImageType
7. original, before derived: computed images have less detail; it comes after contrast, because water of a Dixon scan is
   derived and shows the ligament better than an original T1
8. an ordinary acquisition, before water of a Dixon scan, before its in-phase image: water and fat can be swapped
9. more slices
10. smaller pixels
11. corrected for distortion and for the coil's shading: Siemens may send both versions
12. the later acquisition, by time, then by number: a scan is repeated because the first one was spoilt

If headers leave open what one of two series shows, and they are equal in 1 to 11, the study is refused: time and
numbers don't tell water from fat. What is equal in all of these can't be told apart by headers: one is taken, by its
UID so that the answer doesn't depend on the order of files, and a notice says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_prep.errors import UnsuitableStudy
from data_prep.notice import Notice
from data_prep.selection.acquisition import fat_suppressed, fluid_sensitive, gradient_echo, quick_gradient_echo
from data_prep.selection.body_part import other_body_parts
from data_prep.selection.kind import JUDGED, corrections, derived, water_or_fat
from data_prep.selection.stack import Stack

# The echo time of intermediate weighting, as in the fat-suppressed proton-density series that models are trained on.
INTERMEDIATE_TE_MS = 35.0


@dataclass(frozen=True)
class Criterion:
    """A reason to prefer one stack to another: the larger `key`. reason(loser, winner, all candidates) says it.

    tells_repeats: it tells a scan from its repetition, and says nothing of what the two show.
    """

    key: Callable[[Stack], float]
    reason: Callable[[Stack, Stack, Sequence[Stack]], str]
    tells_repeats: bool = False


def prefer(candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> tuple[Stack, list[tuple[Stack, str]]]:
    """The best candidate, and each other one with the first reason against it; see `draws`."""

    def rank(stack: Stack) -> tuple[float | str, ...]:
        return (*(-criterion.key(stack) for criterion in criteria), stack.series_uid, stack.frames[0].sop_uid)

    winner, *losers = sorted(candidates, key=rank)
    return winner, [(loser, _why(loser, winner, candidates, criteria)) for loser in losers]


def _why(loser: Stack, winner: Stack, candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> str:
    for criterion in criteria:
        if criterion.tells_repeats and _unclear(loser, winner):
            shown = f"{_doubts(winner)}; {_doubts(loser)}"
            return f"{UNCLEAR} of series {winner.series_uid}, and headers don't say plainly what they show ({shown})"
        if criterion.key(loser) < criterion.key(winner):
            return criterion.reason(loser, winner, candidates)
    return f"{EQUAL} of series {winner.series_uid}: headers don't tell them apart"


# How the reasons against a loser begin that isn't worse than the winner.
EQUAL = "as good as what was taken"
UNCLEAR = "like what was taken"


def _unclear(loser: Stack, winner: Stack) -> bool:
    unclear = any(stack.finding.serious or water_or_fat(stack.header) for stack in (loser, winner))
    return unclear or loser.finding != winner.finding


def draws(chosen: Stack, losers: Sequence[tuple[Stack, str]]) -> tuple[Notice, ...]:
    """A notice if headers didn't tell what was chosen from something else of its kind.

    Raises UnsuitableStudy if they didn't, and don't say what either of them shows.
    """
    unclear = _equals(chosen, losers, UNCLEAR)
    if unclear:
        raise UnsuitableStudy(
            f"Series {chosen.series_uid} and {unclear} are alike, and headers don't say plainly what they show "
            f"({_doubts(chosen)}). Send only the one to judge.",
            kind="unclear-kind",
        )
    equal = _equals(chosen, losers, EQUAL)
    if not equal:
        return ()
    message = f"Headers don't tell what was judged, of series {chosen.series_uid}, from {equal}: look at all of them."
    return (Notice("equal-series", message),)


def _equals(chosen: Stack, losers: Sequence[tuple[Stack, str]], how: str) -> str:
    """What was as good as the chosen stack, in words; '' for nothing."""
    uids = {stack.series_uid for stack, reason in losers if reason.startswith(f"{how} of series {chosen.series_uid}")}
    return " and ".join(
        "other images of its own" if uid == chosen.series_uid else f"series {uid}" for uid in sorted(uids)
    )


def _doubts(stack: Stack) -> str:
    return "; ".join(stack.finding.doubts) or stack.finding.kind.value


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


def _fluid_reason(loser: Stack, winner: Stack, _: Sequence[Stack]) -> str:
    repetition_ms = loser.header.number("RepetitionTime")
    timing = "" if repetition_ms is None else f" (TR {repetition_ms:g} ms)"
    if fluid_sensitive(loser.header) is None:
        return f"not known to be fluid-sensitive{timing}; series {winner.series_uid} is"
    known = "is" if fluid_sensitive(winner.header) else "may be"
    return f"not fluid-sensitive{timing}; series {winner.series_uid} {known}"


def _fat_reason(loser: Stack, winner: Stack, _: Sequence[Stack]) -> str:
    if fat_suppressed(winner.header):
        return f"not fat-suppressed, as far as headers say; series {winner.series_uid} is"
    return f"not fat-suppressed; of series {winner.series_uid} it isn't known"


def _clock(stack: Stack) -> float:
    """AcquisitionDateTime, or date and time, as a number that grows with time; 0 without a time."""
    moment = stack.header.text("AcquisitionDateTime")
    if not moment:
        time = stack.header.text("AcquisitionTime")
        moment = f"{stack.header.text('AcquisitionDate') or '00000000'}{time}" if time else ""
    digits = "".join(character for character in moment.split("+")[0] if character.isdecimal() or character == ".")
    return float(digits) if digits.count(".") <= 1 and digits.strip(".") else 0.0


def _later(key: Callable[[Stack], float]) -> Criterion:
    return Criterion(key, lambda _, winner, __: f"acquired before what was taken of series {winner.series_uid}", True)


FAT = Criterion(lambda stack: _yes_unknown_no(fat_suppressed(stack.header)), _fat_reason)
SLICES = Criterion(
    lambda stack: len(stack.frames),
    lambda loser, winner, _: f"{len(loser.frames)} slices; series {winner.series_uid} has {len(winner.frames)}",
)
PLAINLY_ANATOMY = Criterion(
    lambda stack: 0.0 if stack.finding.serious else 1.0,
    lambda loser, winner, _: (
        f"may be no picture of the anatomy ({_doubts(loser)}); series {winner.series_uid} plainly is one"
    ),
)
CORRECTED = Criterion(
    lambda stack: corrections(stack.header),
    lambda _, winner, __: f"less corrected than what was taken of series {winner.series_uid}",
)
REPEATS = (
    _later(_clock),
    _later(lambda stack: _number(stack, "SeriesNumber")),
    _later(lambda stack: _number(stack, "AcquisitionNumber")),
)
WITHIN_SERIES = (
    PLAINLY_ANATOMY,
    FAT,
    Criterion(lambda stack: -abs(_number(stack, "EchoTime", 1e6) - INTERMEDIATE_TE_MS), _echo_reason),
    Criterion(
        lambda stack: -_number(stack, "EchoNumbers"),
        lambda loser, *_: f"echo {_number(loser, 'EchoNumbers'):g}: the first is taken",
    ),
    Criterion(
        lambda stack: -_number(stack, "TemporalPositionIdentifier"),
        lambda loser, *_: f"time point {_number(loser, 'TemporalPositionIdentifier'):g}: the first is taken",
    ),
    Criterion(
        lambda stack: -_number(stack, "DiffusionBValue"),
        lambda loser, *_: f"b-value {_number(loser, 'DiffusionBValue'):g}: the lowest is taken",
    ),
    SLICES,
    CORRECTED,
    *REPEATS,
)
ACROSS_SERIES = (
    Criterion(
        lambda stack: 0.0 if other_body_parts(stack.header) else 1.0,
        lambda loser, winner, _: (
            f"headers name another part of the body ({', '.join(other_body_parts(loser.header))}); those of series "
            f"{winner.series_uid} don't"
        ),
    ),
    PLAINLY_ANATOMY,
    Criterion(lambda stack: _yes_unknown_no(fluid_sensitive(stack.header)), _fluid_reason),
    FAT,
    Criterion(
        lambda stack: 0.0 if quick_gradient_echo(stack.header) else 1.0,
        lambda _, winner, __: f"a quick gradient echo, as scouts are; series {winner.series_uid} is none",
    ),
    Criterion(
        lambda stack: 0.0 if gradient_echo(stack.header) else 1.0,
        lambda _, winner, __: f"a gradient echo; series {winner.series_uid} is none",
    ),
    Criterion(
        lambda stack: -len(stack.finding.doubts),
        lambda loser, winner, _: f"unclear ({_doubts(loser)}); series {winner.series_uid} is clearer",
    ),
    Criterion(
        lambda stack: 0.0 if derived(stack.header) else 1.0,
        lambda _, winner, __: f"derived images; series {winner.series_uid} is original",
    ),
    Criterion(
        lambda stack: -JUDGED.index(stack.finding.kind),
        lambda loser, winner, _: f"{loser.finding.kind.value}; series {winner.series_uid} is an ordinary one",
    ),
    SLICES,
    Criterion(
        lambda stack: -round(stack.spacing_mm[1] * stack.spacing_mm[2], 3),
        lambda loser, winner, _: (
            f"pixels of {loser.spacing_mm[1]:.2f} mm; series {winner.series_uid} has {winner.spacing_mm[1]:.2f} mm"
        ),
    ),
    CORRECTED,
    *REPEATS,
)
