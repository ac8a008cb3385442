"""Spaces: what is drawn makes a configuration, conditions hold, and what is wrong with a file is said with its key."""

import optuna
import pytest

from training.config.config import load_config
from training.config.search_space import Space, flat, load_space

pytestmark = pytest.mark.slow

optuna.logging.set_verbosity(optuna.logging.ERROR)

TINY_SPACE = """
[svc.kind]
choices = ["linear_svc", "rbf_svc"]

[svc.c]
low = 1e-4
high = 1e2
log = true

[svc.gamma]
low = 0.1
high = 0.2
when = {"svc.kind" = ["rbf_svc"]}
"""


def drawn(space: Space, preset: str, changes: list[str], trials: int = 40) -> list[dict[str, str]]:
    """So many random draws, as TOML texts by key; each has made a configuration."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    values = flat(load_config(preset, changes)[0])
    draws = [space.draw(study.ask(), values) for _ in range(trials)]
    for draw in draws:
        load_config(preset, [*changes, *draw])
    return [dict(change.split("=", 1) for change in draw) for draw in draws]


def written(tmp_path, text: str) -> str:
    path = tmp_path / "space.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(("preset", "space"), [("mrnet", "mrnet"), ("vgg16", "finetuned"), ("vgg16", "layers")])
def test_every_draw_from_a_shipped_space_makes_a_configuration(preset, space):
    around = load_space(space).around(preset, [])
    draws = drawn(around, preset, [])
    assert {key for draw in draws for key in draw} == set(around.parameters)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("linear_svc", {"svc.c"}),
        ("rbf_svc", {"svc.c", "svc.gamma"}),
        ("logistic_regression", {"svc.c"}),
        ("nearest_neighbours", {"svc.neighbours"}),
        ("random_forest", {"svc.trees", "svc.leaf"}),
        ("gradient_boosting", {"svc.trees", "svc.leaf", "svc.rate"}),
    ],
)
def test_every_classifier_on_frozen_features_is_searched_by_what_it_reads(kind, own):
    changes = [f'svc.kind="{kind}"']
    draws = drawn(load_space("svc").around("vgg16-svc", changes), "vgg16-svc", changes)
    assert {key for draw in draws for key in draw} == {"trunk.cut", "svc.pooling", "svc.balanced"} | own


def test_momentum_is_drawn_for_the_optimisers_that_have_one_and_for_no_other():
    draws = drawn(load_space("mrnet"), "mrnet", [])
    assert {draw["fit.optimiser"] for draw in draws if "fit.momentum" in draw} == {'"sgd"', '"rmsprop"'}
    assert {draw["fit.optimiser"] for draw in draws if "fit.momentum" not in draw} == {'"adam"', '"adamw"'}


def test_the_activation_is_drawn_only_where_there_are_layers():
    draws = drawn(load_space("layers"), "vgg16", [])
    assert {("head.activation" in draw) == (draw["head.hidden"] != "[]") for draw in draws} == {True}
    assert len({draw["head.hidden"] for draw in draws}) == 4


def test_cuts_of_vgg16_are_for_vgg16():
    alexnet = ['trunk.name="alexnet"', 'trunk.cut="conv5"', 'trunk.weights="random"']
    assert all("trunk.cut" in draw for draw in drawn(load_space("svc"), "vgg16-svc", []))
    assert not any("trunk.cut" in draw for draw in drawn(load_space("svc"), "vgg16-svc", alexnet))


@pytest.mark.parametrize(("kind", "has_gamma"), [("rbf_svc", True), ("linear_svc", False)])
def test_what_is_set_is_not_searched_and_answers_conditions(tmp_path, kind, has_gamma):
    changes = [f'svc.kind="{kind}"']
    space = load_space(written(tmp_path, TINY_SPACE)).around("vgg16-svc", changes)
    draws = drawn(space, "vgg16-svc", changes)
    assert all("svc.kind" not in draw for draw in draws)
    assert all(("svc.gamma" in draw) == has_gamma for draw in draws)


def test_ranges_are_kept_whole_numbers_stay_whole_and_logarithms_reach_every_decade(tmp_path):
    text = TINY_SPACE + "[fit.epochs]\nlow = 2\nhigh = 4\n"
    draws = drawn(load_space(written(tmp_path, text)), "vgg16-svc", [], trials=100)
    assert {draw["fit.epochs"] for draw in draws} == {"2", "3", "4"}
    assert all(0.1 <= float(draw["svc.gamma"]) <= 0.2 for draw in draws if "svc.gamma" in draw)
    decades = [sum(10.0**low <= float(draw["svc.c"]) < 10.0 ** (low + 1) for draw in draws) for low in range(-4, 2)]
    assert sum(decades) == 100
    assert min(decades) >= 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[svc.c]\nlow = 1.0\n", "svc.c: Value error, needs choices, or a low below a high"),
        ("[svc.c]\nlow = 2.0\nhigh = 1.0\n", "a low below a high"),
        ("[svc.c]\nlow = 0.0\nhigh = 1.0\nlog = true\n", "svc.c: Value error, a logarithmic scale needs a low above 0"),
        ("[svc.c]\nchoices = [1.0]\nhigh = 1.0\n", "svc.c: Value error, choices have no low"),
        ("[svc.c]\nlow = 0.1\nhigh = 1.0\nhihg = 1.0\n", "svc.c.hihg: Unexpected keyword argument"),
        ("[svc.c]\nlow = 'a'\nhigh = 1.0\n", "svc.c.low"),
        ("[svc.c\nlow = 1", "space.toml: "),
        ("[svc.gamma]\nlow=0.1\nhigh=1.0\nwhen={'svc.kind'=['rbf_svc']}\n[svc.kind]\nchoices=['rbf_svc']", "must come"),
    ],
)
def test_a_bad_file_is_named_with_the_key(tmp_path, text, reason):
    with pytest.raises(ValueError, match=r"space\.toml: ") as raised:
        load_space(written(tmp_path, text))
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        ("[svc.cc]\nlow = 0.1\nhigh = 1.0\n", [], "space, svc.cc=0.1: .*Unexpected keyword"),
        ("[svc.c]\nlow = -1.0\nhigh = 1.0\n", [], "space, svc.c=-1.0: .*svc.c: Input should be greater than 0"),
        ("[svc.kind]\nchoices = ['linear_svc', 'rbf']\n", [], 'space, svc.kind="rbf": '),
        ("[fit.optimiser]\nchoices = ['adam']\n[fit.momentum]\nlow = 0.0\nhigh = 0.9\n", [], "adamw takes no momentum"),
        ("[svc.c]\nlow = 0.1\nhigh = 1.0\n", ["svc.c=0.5"], "nothing to search"),
    ],
)
def test_an_extreme_that_makes_no_configuration_is_named_before_any_trial(tmp_path, text, changes, reason):
    with pytest.raises(ValueError, match=reason):
        load_space(written(tmp_path, text)).around("vgg16-svc", changes)


def test_an_unknown_space_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no space 'nowhere'; there are finetuned, layers, mrnet, svc"):
        load_space("nowhere")
