from dataclasses import replace

import numpy as np
import pytest

from models.segment.recipe import inputs
from tests.training.drawings import TINY, annotated
from training.config.segmentation import SegmentConfig, load_segment_config
from training.data.annotated_inputs import UNKNOWN, AnnotatedInput, grid_labels, labels_of


def config(*changes: str) -> SegmentConfig:
    return load_segment_config("quick", [*TINY, *changes])[0]


def test_an_input_has_the_recipes_size_and_the_drawn_band():
    exam = annotated(3, "val")
    made = AnnotatedInput.of(exam, config())
    assert (made.exam_id, made.patient_id, made.split) == ("exam 3", "patient 3", "val")
    assert made.image.shape == (1, 32, 32, 1)
    assert made.image.dtype == np.float32
    assert np.array_equal(made.labels, exam.labels)  # the pixel size is that of the recipe: nothing is scaled
    assert made.labels.dtype == np.int8


def test_slices_that_nobody_has_drawn_are_unknown_and_not_background():
    whole = annotated(1, slices=4)
    drawn = np.array([True, True, False, False])
    exam = replace(whole, labels=whole.labels * drawn[:, None, None], drawn=drawn)
    made = AnnotatedInput.of(exam, config())
    assert (made.labels[2:] == UNKNOWN).all()
    assert (made.labels[:2] != UNKNOWN).all()
    assert made.drawn == [0, 1]


def test_labels_follow_the_presets_order_and_other_structures_are_background():
    exam = annotated(1, structures=("acl", "femur"))
    exam.labels[0, 0, :5] = 2
    assert np.array_equal(
        np.unique(labels_of(exam, ("femur", "acl")), return_counts=True)[1][1:], [5, (exam.labels == 1).sum()]
    )
    assert not labels_of(exam, ("acl",))[0, 0, :5].any()


def test_a_structure_that_was_not_drawn_names_the_exam():
    with pytest.raises(ValueError, match="exam 7: nobody has drawn femur, tibia, only acl"):
        AnnotatedInput.of(annotated(7), config('structures=["acl", "femur", "tibia"]'))


def test_figures_leave_out_what_lies_outside_of_the_image():
    settings, exam = config("recipe.extent_mm=[1000.0, 64.0, 64.0]"), annotated(2)
    _, footprint = inputs(exam.voxels, exam.spacing_mm, settings.inputs)
    truth = grid_labels(exam, ("acl",), footprint, settings.inputs)
    assert (truth[0, 8:24, 8:24] >= 0).all()
    assert (truth == UNKNOWN).sum() == 32 * 32 - 16 * 16
    # The network learns that padding is background.
    assert (AnnotatedInput.of(exam, settings).labels >= 0).all()
