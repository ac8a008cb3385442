import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.svm import SVC as KernelSVC
from sklearn.svm import LinearSVC

from models.routes.machines import Linear, Machine, Rbf, load_machine, save_machine, to_logits

# What the issue asks of decisions in double precision.
SAME = 1e-6
MEAN, SCALE = np.array([5.0, -1.0, 0.3]), np.array([2.0, 0.1, 30.0])


def exams(count: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features `[N, 3]` on unlike scales, the same standardised, and classes that depend on them."""
    standard = np.random.default_rng(1).normal(size=(count, 3))
    return MEAN + standard * SCALE, standard, (standard.sum(axis=1) + np.cos(3 * standard[:, 0]) > 0.5).astype(int)


def some_rbf(decisions: int = 4) -> Rbf:
    draw = np.random.default_rng(2).normal
    return Rbf(MEAN, SCALE, draw(size=(7, 3)), draw(size=(7, decisions)), draw(size=decisions), np.array(0.4))


def some_linear(decisions: int = 4) -> Linear:
    draw = np.random.default_rng(2).normal
    return Linear(MEAN, draw(size=(3, decisions)), draw(size=decisions))


def test_the_linear_decision_is_scikit_learns():
    features, standard, classes = exams()
    oracle = LinearSVC(random_state=0).fit(standard, classes)
    machine = Linear(MEAN, oracle.coef_.T / SCALE[:, None], oracle.intercept_)
    assert machine.decisions(features)[:, 0] == pytest.approx(oracle.decision_function(standard), abs=SAME)


def test_the_rbf_decision_is_scikit_learns():
    features, standard, classes = exams()
    oracle = KernelSVC(gamma=0.7).fit(standard, classes)
    machine = Rbf(MEAN, SCALE, oracle.support_vectors_, oracle.dual_coef_.T, oracle.intercept_, np.array(oracle.gamma))
    assert machine.decisions(features)[:, 0] == pytest.approx(oracle.decision_function(standard), abs=SAME)


def test_the_rbf_gradient_is_what_small_steps_find():
    machine, (features, _, _) = some_rbf(), exams()
    for exam in features[:5]:
        steps = 1e-5 * np.diag(SCALE)
        found = (machine.decisions(exam + steps) - machine.decisions(exam - steps)) / (2e-5 * SCALE[:, None])
        assert machine.gradient(exam) == pytest.approx(found, rel=1e-5, abs=1e-9)


def test_the_probability_of_two_classes_is_the_logistic_function_of_the_one_decision():
    decision = np.array([[-3.0], [0.0], [1.7]])
    assert softmax(to_logits(decision), axis=1)[:, 1] == pytest.approx(expit(decision[:, 0]))


def test_logits_of_many_classes_are_the_decisions_up_to_what_all_share():
    decisions = np.array([[1.0, 2.0, 6.0, -1.0]])
    assert to_logits(decisions).tolist() == [[-1.0, 0.0, 4.0, -3.0]]
    assert softmax(to_logits(decisions)) == pytest.approx(softmax(decisions))


@pytest.mark.parametrize("machine", [some_linear(), some_rbf()], ids=["linear", "rbf"])
def test_a_stored_machine_decides_the_same_and_its_file_has_the_same_bytes(machine: Machine, tmp_path):
    first, again = tmp_path / "first.npz", tmp_path / "again.npz"
    save_machine(machine, first)
    loaded = load_machine(type(machine).untrained(3, 4), first)
    save_machine(loaded, again)
    features, _, _ = exams()
    assert np.array_equal(loaded.decisions(features), machine.decisions(features))
    assert first.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("kernel", np.zeros((2, 4)), r"kernel is \(2, 4\)"),
        ("kernel", np.full((3, 4), np.nan), "not finite"),
        ("intercept", np.array(["a", "b", "c", "d"]), "could not convert"),
        ("mean", np.array([None] * 3), "allow_pickle"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, array, reason):
    np.savez(tmp_path / "svc.npz", **{**vars(some_linear()), name: array})
    with pytest.raises(ValueError, match=reason):
        load_machine(Linear.untrained(3, 4), tmp_path / "svc.npz")


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "svc.npz", mean=MEAN)
    with pytest.raises(KeyError, match="kernel"):
        load_machine(Linear.untrained(3, 4), tmp_path / "svc.npz")


def test_an_untrained_machine_decides_nothing():
    features, _, _ = exams()
    for kind in (Linear, Rbf):
        assert not kind.untrained(3, 4).decisions(features).any()
