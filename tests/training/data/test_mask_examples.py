import numpy as np
import pytest

from tests.training.drawings import TINY, annotated
from training.config.segmentation import SegmentConfig, load_segment_config
from training.data.annotated_inputs import UNKNOWN, AnnotatedInput
from training.data.mask_examples import LabelMaps, MaskExamples, mask_examples

CROPS = ["augmentation.crops=44", "augmentation.crop_size=[16, 16]"]
VOLUMES = ["architecture.network='unet3d'", "fit.batch=2", "augmentation.crop_size=[4, 16, 16]"]


def config(*changes: str) -> SegmentConfig:
    return load_segment_config("quick", [*TINY, *changes])[0]


def examples(settings: SegmentConfig, exams: int, slices: int = 1, learning: bool = True) -> MaskExamples:
    made = [AnnotatedInput.of(annotated(seed, slices=slices), settings) for seed in range(exams)]
    return mask_examples(made, settings, learning)


def test_264_crops_from_six_images():
    made = examples(config(*CROPS), exams=6)
    assert len(made.inputs) == len(made.targets) == len(made.weights) == 264
    assert {one.shape for one in made.inputs} == {(1, 16, 16, 1)}
    assert [sum(window.image == image for window in made.windows) for image in range(6)] == [44] * 6
    assert len({repr(window) for window in made.windows}) > 150  # they lie at different places


def centred(made: MaskExamples) -> float:
    """The share of crops whose centre shows a structure."""
    places = [(window.image, *(part.start + 8 for part in window.place[1:])) for window in made.windows]
    return float(np.mean([made.labels[image][0, row, column] > 0 for image, row, column in places]))


def test_a_share_of_the_crops_has_its_centre_on_the_structure():
    always, half, never = (
        examples(config(*CROPS, f"augmentation.on_structure={share}"), exams=3) for share in (1.0, 0.5, 0.0)
    )
    assert all(labels.any() for labels in always.targets.labels)
    assert centred(always) > 0.6  # the others were moved into the image
    assert centred(never) + 0.2 < centred(half) < centred(always) - 0.1


def test_crops_depend_on_the_seed_only():
    first, same = (examples(config(*CROPS), exams=2) for _ in range(2))
    other = examples(config(*CROPS, "seed=2"), exams=2)
    assert first.windows == same.windows
    assert first.sha256 == same.sha256
    assert first.windows != other.windows


def test_validation_sees_whole_images():
    made = examples(config(*CROPS), exams=2, learning=False)
    assert [one.shape for one in made.inputs] == [(1, 32, 32, 1)] * 2


def test_only_drawn_slices_are_examples():
    settings = config()
    exam = AnnotatedInput.of(annotated(1, slices=6), settings)
    exam.labels[3:] = UNKNOWN
    assert len(mask_examples([exam], settings, learning=True).inputs) == 3


def test_500_sub_volumes_of_all_exams_together():
    settings = config(*VOLUMES, "augmentation.crops_in_all=500")
    made = examples(settings, exams=3, slices=7)
    assert len(made.inputs) == 500
    assert {one.shape for one in made.inputs} == {(4, 16, 16, 1)}
    assert [sum(window.image == image for window in made.windows) for image in range(3)] == [167, 167, 166]
    with pytest.raises(ValueError, match="crops_in_all is 2, but there are 3 images"):
        examples(config(*VOLUMES, "augmentation.crops_in_all=2"), exams=3, slices=7)


def test_an_exam_with_fewer_slices_than_a_sub_volume_gives_all_that_it_has():
    made = examples(config(*VOLUMES, "augmentation.crops=2"), exams=1, slices=3)
    assert [one.shape for one in made.inputs] == [(3, 16, 16, 1)] * 2


def test_a_category_is_the_rarest_structure_of_a_crop():
    labels = [np.zeros((1, 2, 2), np.int8) for _ in range(6)]
    for index, shown in enumerate([[1], [1, 2], [1], [2, 3], [], [UNKNOWN]]):
        labels[index].flat[: len(shown)] = shown
    assert LabelMaps(labels).kinds.tolist() == [1, 2, 1, 3, 0, 0]


def test_nothing_to_learn_from_is_told():
    with pytest.raises(ValueError, match="nothing to make examples of"):
        mask_examples([], config(), learning=True)


def test_another_image_or_label_is_another_digest():
    first, other = examples(config(), exams=2), examples(config(), exams=2)
    other.labels[1][0, 0, 0] = 1 - other.labels[1][0, 0, 0]
    assert first.sha256 != other.sha256
