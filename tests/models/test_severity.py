import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS
from models.severity import expected_grade


def test_a_certain_class_has_its_own_grade_and_doubt_lies_between():
    assert expected_grade(np.eye(4), FOUR_CLASS).tolist() == [0, 1, 2, 3]
    assert expected_grade(np.array([0.5, 0.0, 0.0, 0.5]), FOUR_CLASS) == pytest.approx(1.5)
    assert expected_grade(np.array([0.1, 0.2, 0.3, 0.4]), FOUR_CLASS) == pytest.approx(2.0)


def test_a_binary_answer_has_no_grade():
    with pytest.raises(ValueError, match="scheme 'binary' has no grades"):
        expected_grade(np.array([0.5, 0.5]), BINARY)
