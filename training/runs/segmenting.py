"""A segmenter from annotated exams: learn, choose a threshold, measure, and what its bundle says of itself."""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.masks.annotated import Annotated
from data_prep.masks.load import load_annotated
from data_prep.prepare.fingerprint import exam_digest
from data_prep.progress import with_progress
from data_prep.tables.exams import Exam
from data_prep.workers import Workers
from models.seen import ROLE_OF_SPLIT, Role, Seen
from models.segment.plausible import Plausible, Shape
from models.segment.segmenter import Segmenter
from training.config.place import Place
from training.config.segmentation import SegmentConfig
from training.data.annotated_inputs import AnnotatedInput, labels_of
from training.data.mask_examples import mask_examples
from training.data.mask_splits import MaskExam, of_split
from training.evaluation.segmentation import (
    MeasuredMask,
    calibration_curves,
    chosen_threshold,
    mask_figures,
    measure_masks,
)
from training.fitting.segmentation import FittedMasks, fit_segmenter

LIGAMENT = "acl"
# How far a ligament may extend across the slices. The ACL runs obliquely, about 20 mm from the outside to the inside.
ACROSS_MM = 25.0
# Of more synthetic exams than this, digests aren't kept: those of 20,000 samples would take minutes and megabytes.
MOST_SYNTHETIC = 2000
LESS_MEMORY = "lower fit.batch, recipe.size or augmentation.crop_size"


@dataclass(frozen=True, eq=False)
class Prepared:
    """An exam as it is learnt from.

    Attributes:
        given: the network input and its labels.
        pixels: a digest by which the exam is recognised later.
        shape: of the ligament; None if none is drawn.
        largest_mm3: what its volume may be if all slices were drawn.
    """

    given: AnnotatedInput
    pixels: str
    shape: Shape | None
    largest_mm3: float = 0.0


def prepare_exam(exam: MaskExam, config: SegmentConfig) -> Prepared:
    """Read an exam and make its network input. Raises as `load_annotated` and `AnnotatedInput.of`."""
    annotated = loaded(exam)
    shape, largest = _ligament(annotated, config)
    return Prepared(AnnotatedInput.of(annotated, config), exam_digest(annotated), shape, largest)


def loaded(exam: MaskExam) -> Annotated:
    """The pixels and labels of an exam, in its split here."""
    return replace(load_annotated(list(exam.rows)), split=exam.split)


def _ligament(exam: Annotated, config: SegmentConfig) -> tuple[Shape | None, float]:
    """The shape of the ligament, and its largest volume.

    If only some slices are drawn, the drawn part is a lower bound of the volume; the upper one is the largest area
    times `ACROSS_MM`.
    """
    if LIGAMENT not in config.structures:
        return None, 0.0
    mask = labels_of(exam, config.structures) == 1 + config.structures.index(LIGAMENT)
    if not mask.any():
        return None, 0.0
    spacing = exam.spacing_mm or config.inputs.spacing_mm(exam.shape)
    shape = Shape.of(mask, spacing)
    if exam.drawn.all() and len(exam.drawn) > 1:
        return shape, shape.volume_mm3
    area = int(mask.sum(axis=(1, 2)).max()) * spacing[1] * spacing[2]
    return shape, max(area * ACROSS_MM, shape.volume_mm3)


def plausible_shapes(exams: Iterable[Prepared], earlier: Plausible | None = None) -> Plausible | None:
    """The ranges of the ligament's shape in training, wide enough for an earlier segmenter's exams as well.

    None if no exam shows a ligament.
    """
    shown = [(exam.shape, exam.largest_mm3) for exam in exams if exam.shape]
    if not shown:
        return earlier
    ranges = Plausible.of(shape for shape, _ in shown)
    ranges = replace(ranges, volume_mm3=(ranges.volume_mm3[0], max(largest for _, largest in shown)))
    if earlier is None:
        return ranges
    both = {
        name: (min(low, getattr(earlier, name)[0]), max(high, getattr(earlier, name)[1]))
        for name, (low, high) in asdict(ranges).items()
    }
    return Plausible(**both)


@dataclass(frozen=True, eq=False)
class LearntMasks:
    """A trained segmenter with its threshold, not yet measured.

    Attributes:
        segmenter: without provenance and metrics.
        fitted: what was trained; holds the checkpoint.
        seen: the exams that it has learnt from and was chosen on.
        threshold: what the threshold was chosen by.
    """

    segmenter: Segmenter
    fitted: FittedMasks
    seen: Seen
    threshold: dict[str, Any]

    @property
    def pixels(self) -> dict[str, Role]:
        """The digests of the exams' pixels, with their roles."""
        return {digest: role for role, exams in self.seen.roles.items() for digest in exams.pixels}


def learn_masks(
    config: SegmentConfig, exams: Sequence[MaskExam], place: Place, earlier: Segmenter | None = None
) -> LearntMasks:
    """Learn from split "train", choose the epoch and the threshold on split "val".

    Args:
        config: the configuration.
        exams: the exams; those of other splits aren't read.
        place: folders and hardware.
        earlier: a segmenter whose weights to go on from.

    Raises:
        ValueError: an exam can't be used; the message names it. InputError is a ValueError.
    """
    known = [*of_split(exams, "train"), *of_split(exams, "val")]
    ready = list(place.workers.run(partial(prepare_exam, config=config), known, "reading masks"))
    learn, held_out = (
        mask_examples([one.given for one in ready if one.given.split == split], config, learning=split == "train")
        for split in ("train", "val")
    )
    print(f"{len(learn.windows)} examples from {len(learn.images)} images, {len(held_out.windows)} to validate on")
    weights = earlier.network.get_weights() if earlier else None
    fitted = fit_segmenter(config, learn, held_out, place, weights)
    segmenter = Segmenter(
        config.network,
        config.inputs,
        config.structures,
        fitted.network,
        plausible=plausible_shapes(
            [one for one in ready if one.given.split == "train"], earlier.plausible if earlier else None
        ),
    )
    threshold, dice = chosen_threshold(segmenter, (loaded(exam) for exam in of_split(exams, "val")))
    chosen = {"value": threshold, "dice_on_validation": dice, "validation_exams": len(of_split(exams, "val"))}
    return LearntMasks(replace(segmenter, threshold=threshold), fitted, _seen(ready), chosen)


def _seen(ready: Sequence[Prepared]) -> Seen:
    """The exams' digests; of many synthetic ones, which nobody could recognise, only that of the whole table."""
    exams = [Exam(one.given.exam_id, one.given.patient_id, Path()) for one in ready]
    many = len(ready) > MOST_SYNTHETIC and all(map(synthetic, (one.given.patient_id for one in ready)))
    roles = {} if many else {one.given.exam_id: ROLE_OF_SPLIT[one.given.split] for one in ready}
    return Seen.of(exams, {one.given.exam_id: one.pixels for one in ready}, roles)


def synthetic(patient_id: str) -> bool:
    """Whether a patient is a synthetic knee."""
    return patient_id.startswith("phantom-")


def measured_masks(
    segmenter: Segmenter, exams: Sequence[MaskExam], known: Sequence[Seen]
) -> tuple[list[MeasuredMask], int]:
    """Measure exams that a segmenter hasn't seen.

    Args:
        segmenter: the segmenter.
        exams: the exams.
        known: the exams that it has learnt from or was chosen on. They are left out, also under another id.

    Returns:
        What was measured, and how many exams were left out.
    """
    rows: list[MeasuredMask] = []
    left_out = 0
    for exam in with_progress(exams, "measuring"):
        annotated = loaded(exam)
        digest = exam_digest(annotated)
        if any(one.spoilt_by_id(exam.exam_id) or one.spoilt_by_pixels(digest) for one in known):
            left_out += 1
        else:
            rows += measure_masks(segmenter, annotated)
    return rows, left_out


def metrics_of(rows: Sequence[MeasuredMask], measured_on: str, threshold: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `metrics.json`."""
    return {
        "figures": [asdict(figure) for figure in mask_figures(rows, measured_on)],
        "threshold": dict(threshold),
        "calibration": calibration_curves(rows),
    }


def splits_told(exams: Sequence[MaskExam]) -> dict[str, int]:
    """How many exams each split has, for the manifest."""
    return dict(Counter(exam.split for exam in exams))


def trained_on(exams: Sequence[MaskExam], table: Path) -> str:
    """What the exams are: "synthetic", or the name of their table."""
    return "synthetic" if all(synthetic(exam.patient_id) for exam in exams) else table.stem


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `place_of` reads."""
    parser.add_argument(
        "--run", type=Path, help="folder of the files that a killed run needs to continue (default: OUT.run)"
    )
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="write curves and a picture of each epoch")
    parser.add_argument("--mixed-precision", action="store_true", help="float16 arithmetic, for recent GPUs")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="share each batch among N GPUs")
    Workers.add_options(parser)


def place_of(options: argparse.Namespace) -> Place:
    """The place that the command line describes."""
    run = options.run or options.out.parent / f"{options.out.name}.run"
    return Place(
        inputs=run,
        run=run,
        workers=Workers.from_options(options),
        board=options.tensorboard,
        mixed_precision=options.mixed_precision,
        devices=options.devices,
    )
