"""Nothing but the ligament may tell the classes apart: no brightness, no header, no slice count."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_prep.phantom import Phantom, generate
from data_prep.phantom.cohort import Cohort
from data_prep.phantom.dicom_out import instance
from data_prep.phantom.scanner import PROFILES
from data_prep.workers import Workers

pytestmark = pytest.mark.slow

EXAMS = 160
NO_SHORTCUT_AUC = 0.65  # the project's bound; chance is 0.5 and 160 exams blur it by 0.05
POWER_AUC = 0.8  # what the ligament's own brightness must reach, or the test could not see a difference
HEADER = (
    "RepetitionTime",
    "EchoTime",
    "EchoTrainLength",
    "Rows",
    "SliceThickness",
    "SpacingBetweenSlices",
    "BitsStored",
)


def coarse_knee(index: int) -> tuple[bool, list[float], list[float]]:
    """(injured, shortcut features, ligament features) of a knee acquired at a quarter of the usual matrix.

    Histograms and headers hardly depend on the matrix, and so the test takes seconds.
    """
    profile = PROFILES[index % len(PROFILES)]
    coarse = dataclasses.replace(profile, acquired=(72,), matrices=tuple(size // 4 for size in profile.matrices))
    label = Cohort(seed=7).label(index)
    phantom = generate(50_000 + index, label, coarse)
    return label != "healthy", shortcut_features(phantom), ligament_features(phantom)


def shortcut_features(phantom: Phantom) -> list[float]:
    """Intensity histogram of the whole volume, absolute brightness, header fields and slice count."""
    pixels = phantom.pixels.astype(float)
    shares, _ = np.histogram(pixels / np.percentile(pixels, 99), bins=24, range=(0, 1.2))
    header = instance(phantom, 0)
    said = [float(header[keyword].value) for keyword in HEADER]
    named = [float(header.get("Laterality", "none") == side) for side in ("L", "R", "", "none")]
    numbers = [float(phantom.instances_ascend), float(phantom.scan.slices), pixels.mean(), pixels.max()]
    return [*np.log(shares / pixels.size + 1e-4), *said, *named, *numbers]


def ligament_features(phantom: Phantom) -> list[float]:
    inside = phantom.pixels[phantom.acl] / phantom.pixels[phantom.bones == 2].mean()
    return [*np.percentile(inside, (10, 50, 90)), float(inside.std())]


def cross_validated_auc(features: list[list[float]], injured: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    scores = cross_val_predict(model, np.array(features), injured, cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(injured, scores))


@pytest.fixture(scope="module")
def knees() -> tuple[np.ndarray, list[list[float]], list[list[float]]]:
    found = Workers(2).run(coarse_knee, range(EXAMS), "drawing")
    injured, shortcuts, ligaments = zip(*found, strict=True)
    return np.array(injured), list(shortcuts), list(ligaments)


def test_no_shortcut_through_brightness_headers_or_slice_count(knees) -> None:
    injured, shortcuts, _ = knees
    assert cross_validated_auc(shortcuts, injured) < NO_SHORTCUT_AUC


def test_the_same_model_does_see_the_ligament(knees) -> None:
    injured, _, ligaments = knees
    assert cross_validated_auc(ligaments, injured) > POWER_AUC
