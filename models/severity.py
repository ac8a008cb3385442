"""The four classes as grades: 0 healthy, 1 minor strain, 2 partial rupture or strain, 3 complete rupture."""

import numpy as np
import numpy.typing as npt

from data_prep.labels import FOUR_CLASS, LabelScheme


def expected_grade(probabilities: npt.NDArray[np.floating], scheme: LabelScheme) -> npt.NDArray[np.float64]:
    """The mean grade under the probabilities.

    Args:
        probabilities: `[..., 4]`.
        scheme: The classes.

    Returns:
        Grades float64 `[...]`, 0 to 3.

    Raises:
        ValueError: For a scheme that has no grades.
    """
    if scheme.name != FOUR_CLASS.name:
        raise ValueError(f"scheme {scheme.name!r} has no grades of severity")
    grades: npt.NDArray[np.float64] = np.asarray(probabilities, np.float64) @ np.arange(len(scheme))
    return grades
