import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, roc_auc_score

from data_prep.labels import BINARY, FOUR_CLASS
from data_prep.statistics import RESAMPLES, auc
from training.evaluation.metrics import Scored, binary_figures, class_figures, f1_scores

pytestmark = pytest.mark.slow

# Healthy, minor, partial, complete, about as often as in the published project's 761 exams.
SHARES = (0.8, 0.1, 0.06, 0.04)


def one_hot(truth: np.ndarray, classes: int = 4) -> np.ndarray:
    return np.eye(classes)[truth]


def some_answers(exams: int, seed: int = 0, sharpness: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Truths `[N]` and probabilities `[N, 4]` that know something of them."""
    random = np.random.default_rng(seed)
    truth = random.choice(4, exams, p=SHARES)
    logits = random.normal(size=(exams, 4)) + sharpness * one_hot(truth)
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


def by_name(report) -> dict[str, float]:
    return {figure.name: figure.value for figure in report.figures}


def test_an_auc_worked_out_by_hand():
    """Of six pairs healthy x unhealthy, four are in order and one is tied."""
    auc, accuracy = binary_figures(
        np.array([False, False, False, True, True]), np.array([0.1, 0.4, 0.6, 0.4, 0.9]), "toy exams"
    )
    assert auc.value == pytest.approx(4.5 / 6)
    assert accuracy.value == pytest.approx(3 / 5)
    assert str(accuracy).endswith("5 toy exams)")


def test_figures_worked_out_by_hand():
    """Two right of three healthy, one right of two unhealthy."""
    sure = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.55, 0.45]])
    report = class_figures(BINARY, range(5), one_hot(np.array([0, 0, 0, 1, 1]), 2), sure, "toy exams")
    assert report.confusion == ((2, 1), (1, 1))
    expected = {
        "accuracy": 3 / 5,
        "loss": -np.log([0.9, 0.6, 0.3, 0.8, 0.45]).mean(),
        "weighted F1": (3 * 4 / 6 + 2 * 2 / 4) / 5,
        "macro F1": (4 / 6 + 2 / 4) / 2,
        "F1 healthy": 4 / 6,
        "F1 unhealthy": 2 / 4,
        "binary AUC": 5 / 6,
    }
    assert by_name(report) == pytest.approx(expected)
    assert [line.split() for line in str(report).splitlines()[-2:]] == [["healthy", "2", "1"], ["unhealthy", "1", "1"]]


def test_every_figure_is_scikit_learns():
    truth, sure = some_answers(400)
    found = by_name(class_figures(FOUR_CLASS, range(400), one_hot(truth), sure, "draws"))
    guess = sure.argmax(axis=1)
    assert found.pop("mean error of the expected grade") == pytest.approx(np.abs(sure @ range(4) - truth).mean())
    expected = {
        "accuracy": accuracy_score(truth, guess),
        "loss": log_loss(truth, sure),
        "weighted F1": f1_score(truth, guess, average="weighted"),
        "macro F1": f1_score(truth, guess, average="macro"),
        **{f"F1 {FOUR_CLASS.classes[k]}": f1_score(truth, guess, average=None)[k] for k in range(4)},
        "macro one-vs-rest AUC": roc_auc_score(truth, sure, multi_class="ovr"),
        "binary AUC": roc_auc_score(truth > 0, sure[:, 1:].sum(axis=1)),
    }
    assert found == pytest.approx(expected)
    report = class_figures(FOUR_CLASS, range(400), one_hot(truth), sure, "draws")
    assert np.array_equal(report.confusion, confusion_matrix(truth, guess))


def test_each_draw_has_the_auc_of_the_exams_it_drew():
    random = np.random.default_rng(0)
    score, positive = random.integers(0, 9, 60).astype(float), random.random(60) > 0.6
    draws = random.multinomial(60, np.full(60, 1 / 60), 20).astype(float)
    drawn = [np.repeat(np.arange(60), draw.astype(int)) for draw in draws]
    expected = [roc_auc_score(positive[some], score[some]) for some in drawn]
    assert auc(score, positive, draws) == pytest.approx(np.array(expected))


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """AUC of two normals one standard deviation apart is Phi(1/sqrt(2)) = 0.760."""
    covered = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        unhealthy = np.repeat([False, True], 60)
        (auc, _) = binary_figures(unhealthy, random.normal(unhealthy.astype(float)), "draws")
        covered += auc.interval_95[0] <= 0.760 <= auc.interval_95[1]
    assert covered >= 34  # 95 % of 40 is 38; fewer than 34 has odds below 1 in 100


def test_intervals_of_several_classes_cover_the_truth_too():
    """The truth is what a hundred thousand exams of the same kind give."""
    truth, sure = some_answers(100_000, seed=99)
    guess = sure.argmax(axis=1)
    known = {"accuracy": accuracy_score(truth, guess), "F1": f1_score(truth, guess, average=None)[0]}
    covered = dict.fromkeys(known, 0)
    for seed in range(40):
        truth, sure = some_answers(200, seed)
        scored = Scored.of(range(200), one_hot(truth), sure)
        for name, values in (("accuracy", scored.accuracy()), ("F1", f1_scores(scored.confusion())[:, 0])):
            low, high = scored.figure(name, values, "draws").interval_95
            covered[name] += low <= known[name] <= high
    assert min(covered.values()) >= 34


def test_a_label_of_several_classes_scores_what_it_can():
    """{partial, complete} is no single class of four, but surely unhealthy; {healthy, minor} says nothing of either."""
    truth, sure = some_answers(100)
    allowed = one_hot(truth)
    allowed[truth == 3, 2] = 1
    allowed[np.flatnonzero(truth == 0)[0], 1] = 1
    report = class_figures(FOUR_CLASS, range(100), allowed, sure, "draws")
    exams = {figure.name: figure.exams for figure in report.figures}
    assert report.not_scored == (truth == 3).sum() + 1
    assert exams["accuracy"] == 100 - report.not_scored
    assert exams["binary AUC"] == 99
    assert "are not scored" in str(report)


def test_classes_without_two_exams_have_no_figure_of_their_own():
    truth, sure = some_answers(60)
    truth[truth > 1] = 1
    truth[0] = 3
    found = by_name(class_figures(FOUR_CLASS, range(60), one_hot(truth), sure, "draws"))
    assert {name for name in found if name.startswith("F1")} == {"F1 healthy", "F1 minor strain"}
    scores = f1_score(truth, sure.argmax(axis=1), average=None, labels=range(4))
    assert found["macro F1"] == pytest.approx(scores[:2].mean())
    assert found["accuracy"] == accuracy_score(truth, sure.argmax(axis=1))


def test_every_resample_has_every_scored_class():
    truth = np.repeat([0, 1, 2, 3], [30, 2, 2, 2])
    scored = Scored.of(range(36), one_hot(truth), one_hot(truth))
    assert scored.draws.shape == (1 + RESAMPLES, 36)
    assert np.all(scored.draws.sum(axis=1) == 36)
    assert np.all(scored.draws @ one_hot(truth) > 0)


def test_predictions_of_one_exam_are_drawn_together():
    """Three predictions of each exam are no more exams: the same value, the same interval."""
    truth, sure = some_answers(80)
    once = class_figures(FOUR_CLASS, range(80), one_hot(truth), sure, "draws")
    thrice = class_figures(
        FOUR_CLASS, [*range(80)] * 3, np.tile(one_hot(truth), (3, 1)), np.tile(sure, (3, 1)), "draws"
    )
    for one, three in zip(once.figures, thrice.figures, strict=True):
        assert three.exams == one.exams == 80
        assert (three.value, *three.interval_95) == pytest.approx((one.value, *one.interval_95))
    assert np.array_equal(thrice.confusion, 3 * np.array(once.confusion))


def test_the_published_number_of_exams_takes_seconds():
    truth, sure = some_answers(761)
    start = time.perf_counter()
    class_figures(FOUR_CLASS, range(761), one_hot(truth), sure, "draws")
    assert time.perf_counter() - start < 5


def test_too_few_of_a_class_have_no_interval():
    with pytest.raises(ValueError, match="two healthy and two unhealthy"):
        binary_figures(np.ones(5, bool), np.linspace(0, 1, 5), "toy exams")


def test_nothing_to_score_is_said():
    with pytest.raises(ValueError, match="no exam has a single class"):
        class_figures(BINARY, range(3), np.ones((3, 2)), np.full((3, 2), 0.5), "toy exams")
