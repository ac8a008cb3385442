import dataclasses

import keras
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC as KernelSVC
from sklearn.svm import LinearSVC
from sklearn.utils.validation import has_fit_parameter

from data_prep.labels import BINARY, FOUR_CLASS, LabelScheme
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.predictor import Predictor
from models.routes.machines import to_logits
from models.routes.svc import SVC
from models.trunks import Trunk
from tests.models.conftest import PROVENANCE
from training.config.config import load_config
from training.config.svc_fit import KERNELS, SvcFit
from training.data.examples import Examples, prepare
from training.fitting.svc import MOST_ROUNDS, exam_features, fit, train_svc

pytestmark = pytest.mark.slow

# What the issue asks of decisions in double precision.
SAME = 1e-6
SEED = 3
COUNT, CHANNELS = 80, 6
RECIPE = Recipe((44.0, 68.0, 68.0), (63, 63))
TRUNK = Trunk(cut="conv5", width=1 / 16)
KINDS = ["linear_svc", "rbf_svc", "logistic_regression", "random_forest", "nearest_neighbours", "gradient_boosting"]
schemes = pytest.mark.parametrize("scheme", [BINARY, FOUR_CLASS], ids=lambda scheme: scheme.name)


def exams(scheme: LabelScheme, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `[N, C]` of unlike scale, allowed classes `[N, K]` and classes `[N]`, the first one common."""
    random = np.random.default_rng(SEED)
    classes = random.choice(len(scheme), COUNT, p=[0.5, 0.5] if len(scheme) == 2 else [0.4, 0.2, 0.2, 0.2])
    centres = apart * random.normal(size=(len(scheme), CHANNELS))
    features = (centres[classes] + random.normal(size=(COUNT, CHANNELS))) * np.logspace(-2, 2, CHANNELS) + 7
    return features, np.eye(len(scheme), dtype=np.float32)[classes], classes


def decisions(settings: SvcFit, scheme: LabelScheme, weights: np.ndarray | None = None) -> np.ndarray:
    features, allowed, _ = exams(scheme)
    weights = np.ones(COUNT) if weights is None else weights
    return fit(features, allowed, weights, settings, scheme, SEED).decisions(features)


def oracle(settings: SvcFit, scheme: LabelScheme) -> np.ndarray:
    """scikit-learn's own pipeline of standardisation and one-vs-rest, `[N, D]`."""
    weights = "balanced" if settings.balanced else None
    if settings.kind == "linear_svc":
        estimator = LinearSVC(C=settings.c, dual=False, class_weight=weights, max_iter=MOST_ROUNDS)
    else:
        estimator = KernelSVC(C=settings.c, gamma=settings.gamma or "auto", class_weight=weights)
    features, _, classes = exams(scheme)
    pipeline = make_pipeline(StandardScaler(), estimator if scheme is BINARY else OneVsRestClassifier(estimator))
    return pipeline.fit(features, classes).decision_function(features).reshape(COUNT, -1)


@schemes
@pytest.mark.parametrize(
    "settings",
    [
        SvcFit("linear_svc"),
        SvcFit("linear_svc", c=0.01, balanced=True),
        SvcFit("rbf_svc"),
        SvcFit("rbf_svc", c=10, gamma=0.5, balanced=True),
    ],
    ids=str,
)
def test_decisions_are_scikit_learns(settings, scheme):
    assert decisions(settings, scheme) == pytest.approx(oracle(settings, scheme), abs=SAME)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exam_of_no_weight_is_as_good_as_absent(kind):
    features, allowed, _ = exams(FOUR_CLASS)
    weights = np.ones(COUNT)
    weights[::4] = 0
    counted = weights > 0
    settings = SvcFit(kind)
    with_it = fit(features, allowed, weights, settings, FOUR_CLASS, SEED)
    without = fit(features[counted], allowed[counted], weights[counted], settings, FOUR_CLASS, SEED)
    assert np.array_equal(with_it.decisions(features), without.decisions(features))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random_forest"])
def test_an_exam_of_weight_two_counts_twice(kind):
    """Seen in decisions that move towards its class; a forest draws its exams by chance."""
    features, allowed, classes = exams(BINARY, apart=0.3)
    heavy = np.where(classes == 1, 5.0, 1.0)
    plain, leaning = (fit(features, allowed, w, SvcFit(kind), BINARY, SEED) for w in (np.ones(COUNT), heavy))
    assert leaning.decisions(features).mean() > plain.decisions(features).mean() + 0.05


def test_a_label_of_several_classes_says_no_to_the_others_and_nothing_else():
    features, allowed, classes = exams(FOUR_CLASS)
    tears = classes >= 2
    vague = allowed.copy()
    vague[tears & (np.arange(COUNT) % 2 == 0)] = [0, 0, 1, 1]
    sure = vague.sum(axis=1) == 1
    settings, ones = SvcFit("rbf_svc"), np.ones(COUNT)
    with_sets = fit(features, vague, ones, settings, FOUR_CLASS, SEED)
    precise = fit(features, allowed, ones, settings, FOUR_CLASS, SEED)
    # Of healthy and minor strain, the sets say all there is to say; of the tears' own classes, nothing.
    assert with_sets.decisions(features)[:, :2] == pytest.approx(precise.decisions(features)[:, :2], abs=SAME)
    scaler = StandardScaler().fit(features)
    partial = KernelSVC(gamma="auto").fit(scaler.transform(features[sure]), classes[sure] == 2)
    expected = partial.decision_function(scaler.transform(features))
    assert with_sets.decisions(features)[:, 2] == pytest.approx(expected, abs=SAME)


def test_a_class_that_no_exam_surely_has_is_named():
    features, allowed, _ = exams(FOUR_CLASS)
    allowed[allowed[:, 3] > 0] = [0, 0, 1, 1]
    with pytest.raises(ValueError, match="surely 'complete rupture'"):
        fit(features, allowed, np.ones(COUNT), SvcFit(), FOUR_CLASS, SEED)


@schemes
@pytest.mark.parametrize("kind", KINDS)
def test_every_classifier_tells_distant_classes_apart_on_exams_it_never_saw(kind, scheme):
    features, allowed, classes = exams(scheme, apart=4)
    learn, held_out = np.arange(COUNT) % 3 > 0, np.arange(COUNT) % 3 == 0
    settings, weights = SvcFit(kind, balanced=True), np.ones(learn.sum())
    fitted = fit(features[learn], allowed[learn], weights, settings, scheme, SEED)
    logits = to_logits(fitted.decisions(features[held_out]))
    assert logits.shape == (held_out.sum(), len(scheme))
    assert (logits.argmax(axis=1) == classes[held_out]).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        (SvcFit("nearest_neighbours"), KNeighborsClassifier(5)),
        (SvcFit("nearest_neighbours", neighbours=9), KNeighborsClassifier(9)),
        (SvcFit("random_forest"), RandomForestClassifier(random_state=SEED)),
        (SvcFit("random_forest", trees=30, leaf=4), RandomForestClassifier(30, min_samples_leaf=4, random_state=SEED)),
        (
            SvcFit("gradient_boosting", trees=20, leaf=3, rate=0.3),
            GradientBoostingClassifier(
                n_estimators=20, min_samples_leaf=3, learning_rate=0.3, max_features="sqrt", random_state=SEED
            ),
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, SvcFit) else "",
)
def test_compared_classifiers_answer_as_scikit_learns(settings, theirs):
    features, _, classes = exams(BINARY)
    standard = StandardScaler().fit_transform(features)
    # A forest draws its exams otherwise where they have weights, though they be equal.
    weights = {"sample_weight": np.ones(COUNT)} if has_fit_parameter(theirs, "sample_weight") else {}
    share = theirs.fit(standard, classes, **weights).predict_proba(standard)[:, 1]
    decided = decisions(settings, BINARY)[:, 0]
    assert 1 / (1 + np.exp(-decided)) == pytest.approx(np.clip(share, 1e-3, 1 - 1e-3))


@pytest.mark.parametrize(
    "change", ["c=0.0", "gamma=-1.0", "neighbours=0", "trees=0", "leaf=0", "rate=0.0", "c=inf", "trees=true"]
)
def test_a_setting_without_sense_is_refused_by_its_key(change):
    with pytest.raises(ValueError, match=rf"svc\.{change.split('=')[0]}"):
        load_config("vgg16-svc", [f"svc.{change}"])


@pytest.fixture(scope="module")
def learn(knees, tmp_path_factory) -> Examples:
    return prepare(read_exams(knees / "exams.csv"), BINARY, RECIPE, tmp_path_factory.mktemp("inputs"), Workers(1))


@pytest.mark.parametrize("kind", KERNELS)
def test_from_exams_to_a_bundle_that_answers(kind, learn, knees, tmp_path, capsys):
    keras.utils.set_random_seed(SEED)
    settings = SvcFit(kind, pooling="max", balanced=True)
    route = SVC(TRUNK, settings.pooling, settings.kernel, BINARY, RECIPE)
    train_svc(route, settings, learn, tmp_path / "features", SEED)
    assert f"fitting {kind} on 12 exams; 0 of them allow several classes" in capsys.readouterr().out

    features = exam_features(route, learn, tmp_path / "features")
    expected = to_logits(fit(features, learn.allowed, learn.weights, settings, BINARY, SEED).decisions(features))
    write_bundle(tmp_path / "small", route, "svc", RECIPE, Calibration(), {"figures": []}, PROVENANCE, "")
    predictor = Predictor(load_bundle(tmp_path / "small"))
    for exam, logits in list(zip(read_exams(knees / "exams.csv"), expected, strict=True))[:3]:
        prediction = predictor.predict(load_exam(exam))
        # The cache's batches are summed in another order than a single exam's.
        assert prediction.logits == pytest.approx(logits, abs=1e-3)
        assert prediction.method.exact == (kind != "rbf_svc")


def test_features_need_cached_inputs(learn, tmp_path):
    in_memory = dataclasses.replace(learn, inputs=list(learn.inputs))
    with pytest.raises(TypeError, match="make the examples with `prepare`"):
        train_svc(SVC(TRUNK, "mean", "linear", BINARY, RECIPE), SvcFit(), in_memory, tmp_path, SEED)
