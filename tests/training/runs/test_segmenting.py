import dataclasses

import numpy as np
import pytest

from models.segment.plausible import Plausible
from tests.training.drawings import TINY, annotated
from training.config.segmentation import load_segment_config
from training.data.annotated_inputs import AnnotatedInput
from training.runs import segmenting
from training.runs.segmenting import ACROSS_MM, Prepared, plausible_shapes, prepare_exam

CONFIG = load_segment_config("quick", TINY)[0]


@pytest.fixture
def prepared(monkeypatch):
    """Makes a `Prepared` of an annotated exam, as if it had been read."""

    def of(exam) -> Prepared:
        monkeypatch.setattr(segmenting, "loaded", lambda _: exam)
        return prepare_exam(None, CONFIG)

    return of


def test_the_ranges_are_those_of_training_masks_drawn_in_every_slice(prepared):
    small, large = (prepared(annotated(seed, slices=slices)) for seed, slices in ((1, 2), (2, 8)))
    ranges = plausible_shapes([small, large])
    voxels = [int((annotated(seed, slices=slices).labels > 0).sum()) for seed, slices in ((1, 2), (2, 8))]
    assert ranges.volume_mm3 == pytest.approx((voxels[0] * 3.0, voxels[1] * 3.0))
    assert 0.3 < ranges.row[0] <= ranges.row[1] < 0.7
    assert 1 < ranges.elongation[0] <= ranges.elongation[1]


def test_of_single_slices_the_volume_may_be_that_of_a_whole_ligament(prepared):
    one = annotated(3)
    area = float((one.labels > 0).sum())
    assert plausible_shapes([prepared(one)]).volume_mm3 == pytest.approx((area * 3.0, area * ACROSS_MM))
    some = annotated(3, slices=4)
    drawn = np.array([True, False, False, False])
    few = dataclasses.replace(some, drawn=drawn, labels=some.labels * drawn[:, None, None])
    area = float((few.labels > 0).sum())
    assert plausible_shapes([prepared(few)]).volume_mm3 == pytest.approx((area * 3.0, area * ACROSS_MM))


def test_an_earlier_segmenters_ranges_stay_plausible(prepared):
    earlier = Plausible((1.0, 2.0), (0.1, 0.2), (0.4, 0.9), (1.5, 9.0))
    ranges = plausible_shapes([prepared(annotated(1, slices=2))], earlier)
    assert ranges.volume_mm3[0] == 1.0
    assert ranges.row[0] == 0.1
    assert ranges.column[1] == 0.9
    assert ranges.elongation[1] == 9.0
    assert plausible_shapes([prepared(annotated(1, shown=False))], earlier) == earlier
    assert plausible_shapes([prepared(annotated(1, shown=False))]) is None


def test_many_synthetic_exams_are_not_recorded_one_by_one(prepared, monkeypatch):
    made = [prepared(annotated(seed)) for seed in range(3)]
    monkeypatch.setattr(segmenting, "MOST_SYNTHETIC", 2)
    assert len(segmenting._seen(made).roles["learnt"].ids) == 3  # patients aren't synthetic
    phantoms = [
        dataclasses.replace(one, given=dataclasses.replace(one.given, patient_id=f"phantom-{index}"))
        for index, one in enumerate(made)
    ]
    assert isinstance(phantoms[0].given, AnnotatedInput)
    assert segmenting._seen(phantoms).roles == {}
    assert len(segmenting._seen(phantoms[:2]).roles["learnt"].ids) == 2
