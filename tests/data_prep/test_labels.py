import numpy as np
import pytest

from data_prep.labels import BINARY, FOUR_CLASS


def test_a_set_of_classes_becomes_a_mask():
    tear = FOUR_CLASS.members({"complete rupture", "partial rupture or strain"})
    assert tear.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("names", [set(), {"torn"}, {"healthy", "Healthy"}])
def test_no_class_or_an_unknown_class_is_refused(names):
    with pytest.raises(ValueError, match="scheme 'binary'"):
        BINARY.members(names)


def test_four_classes_collapse_into_two_without_losing_probability():
    four = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    assert FOUR_CLASS.collapse(four, BINARY) == pytest.approx(np.array([[0.1, 0.9], [0.7, 0.3]]))
