"""Which of several sagittal stacks is chosen to predict on: the criteria in order, and the reason each gives.

Within a series, the first is preferred:

1. what clearly shows the anatomy, before what may be a map or a localizer, which can't be predicted on
2. fat-suppressed, before unknown, before not: in a Dixon set, the water image
3. the echo time nearest to intermediate weighting, which models are trained on
4. the first echo, the first time point, the lowest b-value: less contrast agent, less diffusion weighting
5. more slices
6. corrected for distortion and for the coil's shading
7. the later acquisition, by time, then by number

Across series, the series that a radiologist would open first for the ACL is preferred:

1. headers that name no part of the body except a knee: an ankle may be in the same study
2. what clearly shows the anatomy
3. fluid-sensitive, before unknown, before not: the fluid in a torn ligament shows the tear
4. fat-suppressed, before unknown, before not: bright fat in the marrow hides fluid
5. other techniques, before a gradient echo (DESS, MERGE): it has many slices, and its contrast differs from the spin
   echoes that models are trained on; a quick gradient echo is last, because scouts are quick gradient echoes
6. fewer doubts, such as an unknown word in ImageType
7. original, before derived: computed images have less detail; this follows contrast, because the water image of a Dixon
   scan is derived and shows the ligament better than an original T1
8. an ordinary acquisition, before the water image of a Dixon scan, before its in-phase image: a scanner may confuse
   water and fat
9. more slices
10. smaller pixels
11. corrected for distortion and for the coil's shading: Siemens may send both versions
12. the later acquisition, by time, then by number: a scan is repeated because the first one wasn't good

If two series are equal in 1 to 11, and headers don't say what one of them shows, the study is refused: times and
numbers don't distinguish water from fat. If two series are equal in all criteria, headers can't distinguish them. Then
one is chosen by its UID, so that the answer doesn't depend on the order of files, and a notice says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data_prep.errors import UnsuitableStudy
from data_prep.notice import Notice
from data_prep.selection.acquisition import fat_suppressed, fluid_sensitive, gradient_echo, quick_gradient_echo
from data_prep.selection.body_part import other_body_parts
from data_prep.selection.kind import PREDICTABLE, corrections, derived, water_or_fat
from data_prep.selection.stack import Stack

# The echo time of intermediate weighting, as in the fat-suppressed proton-density series that models are trained on.
INTERMEDIATE_TE_MS = 35.0


@dataclass(frozen=True)
class Criterion:
    """A reason to prefer one stack to another.

    Attributes:
        key: the stack with the larger key is preferred.
        reason: called with loser, winner and all candidates; why the loser isn't chosen, in words.
        tells_repeats: whether it only distinguishes a scan from its repetition, not the contents of the images.
    """

    key: Callable[[Stack], float]
    reason: Callable[[Stack, Stack, Sequence[Stack]], str]
    tells_repeats: bool = False


def prefer(candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> tuple[Stack, list[tuple[Stack, str]]]:
    """The best candidate, and each other candidate with the first reason against it. For equal ones see `draws`."""

    def rank(stack: Stack) -> tuple[float | str, ...]:
        return (*(-criterion.key(stack) for criterion in criteria), stack.series_uid, stack.frames[0].sop_uid)

    winner, *losers = sorted(candidates, key=rank)
    return winner, [(loser, _why(loser, winner, candidates, criteria)) for loser in losers]


def _why(loser: Stack, winner: Stack, candidates: Sequence[Stack], criteria: Sequence[Criterion]) -> str:
    for criterion in criteria:
        if criterion.tells_repeats and _unclear(loser, winner):
            shown = f"{_doubts(winner)}; {_doubts(loser)}"
            return f"{UNCLEAR} from series {winner.series_uid}, and headers don't say clearly what they show ({shown})"
        if criterion.key(loser) < criterion.key(winner):
            return criterion.reason(loser, winner, candidates)
    return f"{EQUAL} from series {winner.series_uid}: headers don't distinguish them"


# The reason against a loser that isn't worse than the winner begins with one of these.
EQUAL = "as good as what was chosen"
UNCLEAR = "like what was chosen"


def _unclear(loser: Stack, winner: Stack) -> bool:
    unclear = any(stack.finding.serious or water_or_fat(stack.header) for stack in (loser, winner))
    return unclear or loser.finding != winner.finding


def draws(chosen: Stack, losers: Sequence[tuple[Stack, str]]) -> tuple[Notice, ...]:
    """A notice if headers don't distinguish the chosen stack from another one.

    Args:
        chosen: the chosen stack.
        losers: the other stacks, each with the reason against it.

    Raises:
        UnsuitableStudy: headers don't distinguish the two and don't say clearly what they show.
    """
    unclear = _equals(chosen, losers, UNCLEAR)
    if unclear:
        raise UnsuitableStudy(
            f"Series {chosen.series_uid} and {unclear} are alike, and headers don't say clearly what they show "
            f"({_doubts(chosen)}). Send only the series to predict on.",
            kind="unclear-kind",
        )
    equal = _equals(chosen, losers, EQUAL)
    if not equal:
        return ()
    message = (
        f"Headers don't distinguish the images predicted on, of series {chosen.series_uid}, from {equal}: look at all "
        "of them."
    )
    return (Notice("equal-series", message),)


def _equals(chosen: Stack, losers: Sequence[tuple[Stack, str]], how: str) -> str:
    """What was as good as the chosen stack, in words; '' if nothing was."""
    uids = {stack.series_uid for stack, reason in losers if reason.startswith(f"{how} from series {chosen.series_uid}")}
    return " and ".join(
        "other images of the same series" if uid == chosen.series_uid else f"series {uid}" for uid in sorted(uids)
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
    return f"not fat-suppressed; for series {winner.series_uid} it isn't known"


def _clock(stack: Stack) -> float:
    """AcquisitionDateTime, or date and time, as a number that grows with time; 0 without a time."""
    moment = stack.header.text("AcquisitionDateTime")
    if not moment:
        time = stack.header.text("AcquisitionTime")
        moment = f"{stack.header.text('AcquisitionDate') or '00000000'}{time}" if time else ""
    digits = "".join(character for character in moment.split("+")[0] if character.isdecimal() or character == ".")
    return float(digits) if digits.count(".") <= 1 and digits.strip(".") else 0.0


def _later(key: Callable[[Stack], float]) -> Criterion:
    return Criterion(
        key, lambda _, winner, __: f"acquired before what was chosen from series {winner.series_uid}", True
    )


FAT = Criterion(lambda stack: _yes_unknown_no(fat_suppressed(stack.header)), _fat_reason)
SLICES = Criterion(
    lambda stack: len(stack.frames),
    lambda loser, winner, _: f"{len(loser.frames)} slices; series {winner.series_uid} has {len(winner.frames)}",
)
PLAINLY_ANATOMY = Criterion(
    lambda stack: 0.0 if stack.finding.serious else 1.0,
    lambda loser, winner, _: (
        f"may not be a picture of the anatomy ({_doubts(loser)}); series {winner.series_uid} clearly is one"
    ),
)
CORRECTED = Criterion(
    lambda stack: corrections(stack.header),
    lambda _, winner, __: f"less corrected than what was chosen from series {winner.series_uid}",
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
        lambda loser, *_: f"echo {_number(loser, 'EchoNumbers'):g}: the first is chosen",
    ),
    Criterion(
        lambda stack: -_number(stack, "TemporalPositionIdentifier"),
        lambda loser, *_: f"time point {_number(loser, 'TemporalPositionIdentifier'):g}: the first is chosen",
    ),
    Criterion(
        lambda stack: -_number(stack, "DiffusionBValue"),
        lambda loser, *_: f"b-value {_number(loser, 'DiffusionBValue'):g}: the lowest is chosen",
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
        lambda _, winner, __: f"a quick gradient echo, like a scout; series {winner.series_uid} isn't one",
    ),
    Criterion(
        lambda stack: 0.0 if gradient_echo(stack.header) else 1.0,
        lambda _, winner, __: f"a gradient echo; series {winner.series_uid} isn't one",
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
        lambda stack: -PREDICTABLE.index(stack.finding.kind),
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
