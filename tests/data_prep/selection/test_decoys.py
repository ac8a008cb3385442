"""Of 300 studies with decoys, the right series is chosen, or the study is refused for the right reason."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from data_prep.errors import InputError
from data_prep.selection.series import load_study
from tests.data_prep import decoys
from tests.data_prep.decoys import PLOTS, Study, draw
from tests.data_prep.dicom_factory import uploads

pytestmark = pytest.mark.slow

STUDIES, AT_ONCE = 300, 10


def mistake(study: Study) -> str | None:
    """What came out that shouldn't have."""
    try:
        selection = load_study(uploads(study.files), laterality=study.laterality)
    except InputError as error:
        return None if error.kind in study.kinds else f"{error.kind}: {error.detail}"
    volume = selection.volume
    if set(volume.sop_uids) in study.sop_uids and study.side in (None, volume.laterality):
        return None
    passed = "; ".join(f"{one.series_uid}: {one.reason}" for one in selection.passed_over)
    return f"predicted on {volume.series_uid}, laterality {volume.laterality}; {passed}"


@pytest.mark.parametrize("first", range(0, STUDIES, AT_ONCE))
def test_the_series_that_is_meant_is_predicted_on_or_the_study_rightly_refused(first):
    studies = [draw(seed) for seed in range(first, first + AT_ONCE)]
    mistakes = [(study.story, wrong) for study in studies if (wrong := mistake(study))]
    assert not mistakes


def test_the_same_seed_draws_the_same_study():
    one, other = draw(7), draw(7)
    assert (one.files, one.story) == (other.files, other.story)
    assert one.files != draw(7 + sum(PLOTS.values())).files


def test_every_plot_and_decoy_is_drawn_and_the_generator_knows_no_table_of_the_product():
    stories = Counter(word for seed in range(0, STUDIES, 3) for word in draw(seed).story)
    assert {plot.__name__ for plot in PLOTS} <= stories.keys()
    assert {decoy.__name__ for decoy in decoys.DECOYS} <= stories.keys()
    tree = ast.parse(Path(decoys.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not [name for name in imported if name and name.startswith("data_prep")]


def test_an_answer_to_another_study_is_noticed():
    study, other = draw(0), draw(sum(PLOTS.values()))
    assert mistake(study) is None
    study.files = other.files
    assert "predicted on" in str(mistake(study))
