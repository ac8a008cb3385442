import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest

from data_prep.augment import Augmentation
from models.trunks import build_trunk
from training.config.config import PRESETS, HeadFirst, load_config


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_preset_is_valid_and_opens_with_its_command(preset):
    _, text = load_config(preset, [])
    assert text.startswith("# ")
    assert "make " in text or "python -m training.train" in text


def test_changes_are_typed_kept_in_the_text_and_leave_comments_alone():
    config, text = load_config("demo", ["fit.epochs=3", "recipe.extent_mm=[1.0, 2.0, 3.0]", 'scheme="four_class"'])
    assert config.fit.epochs == 3
    assert config.recipe.extent_mm == (1.0, 2.0, 3.0)
    assert config.scheme == "four_class"
    assert tomllib.loads(text)["fit"]["epochs"] == 3
    assert "# 0.6 mm a pixel" in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("fit.epoch=3", "fit.epoch"),
        ("fit.epochs=many", "fit.epochs"),
        ('fit.epochs="many"', "fit.epochs: Input should be a valid integer"),
        ("fit.epochs", "needs key=value"),
        ("nothing.at.all=1", "nothing"),
        ("scheme.name=1", "scheme.name"),
        ("recipe.size=[1]", "recipe.size"),
        ("recipe.size=[0, 0]", r"recipe\.size\.0: Input should be greater than or equal to 1"),
        ('trunk.name="lenet"', "trunk.name"),
        ('scheme="ternary"', "scheme"),
        ('route="svc2"', "route"),
    ],
)
def test_a_wrong_change_names_the_key(change, reason):
    with pytest.raises(ValueError, match=reason):
        load_config("demo", [change])


def preset(folder: Path, **lines: str) -> str:
    """The demo preset with a line added to each of the tables named; the file's name."""
    _, text = load_config("demo", [])
    for table, line in lines.items():
        text = text.replace(f"[{table}]", f"[{table}]\n{line}")
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_a_change_may_name_what_the_preset_leaves_at_its_default():
    config, text = load_config("demo", ["fit.oversample=true", "augmentation.noise=0.02"])
    assert config.fit.oversample
    assert config.augmentation.noise == 0.02
    assert tomllib.loads(text)["augmentation"]["noise"] == 0.02


def test_oversampling_is_off_unless_asked_for(tmp_path):
    assert load_config("demo", [])[0].fit.oversample is False
    assert load_config(preset(tmp_path, fit="oversample = true"), [])[0].fit.oversample is True
    with pytest.raises(ValueError, match=r"mine\.toml: fit\.oversample: Input should be a valid boolean"):
        load_config(preset(tmp_path, fit='oversample = "rare"'), [])


@pytest.mark.parametrize("name", [column.name for column in dataclasses.fields(Augmentation)])
def test_a_preset_may_set_every_range_of_the_augmentation(tmp_path, name):
    demo = load_config("demo", [])[0].augmentation
    if getattr(demo, name):
        assert load_config("demo", [f"augmentation.{name}=0.05"])[0].augmentation == dataclasses.replace(
            demo, **{name: 0.05}
        )
    else:
        mine = load_config(preset(tmp_path, augmentation=f"{name} = 0.05"), [])[0].augmentation
        assert mine == dataclasses.replace(demo, **{name: 0.05})


def test_a_range_out_of_bounds_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"mine\.toml: augmentation: .*elastic must be from 0 to below 0\.12"):
        load_config(preset(tmp_path, augmentation="elastic = 0.5"), [])


def test_an_unknown_key_in_a_file_and_an_unknown_preset_are_named(tmp_path):
    _, text = load_config("demo", [])
    path = tmp_path / "mine.toml"
    path.write_text("colour = 3\n" + text.replace("[fit]", "[fit]\nspeed = 1"))
    with pytest.raises(ValueError, match=r"mine\.toml: .*colour"):
        load_config(str(path), [])
    path.write_text(text.replace("[fit]", "[fit]\nspeed = 1"))
    with pytest.raises(ValueError, match=r"fit\.speed"):
        load_config(str(path), [])
    with pytest.raises(ValueError, match="no preset 'dmeo'; there are demo"):
        load_config("dmeo", [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["fit.class_weights=true", "fit.oversample=true"], "fit: .*choose one"),
        (["fit.momentum=0.9"], "fit: .*adamw takes no momentum"),
        (["fit.plateau_factor=1.0"], "fit: .*plateau_factor"),
        (['fit.loss="hinge"'], r"fit\.loss"),
        (['fit.optimiser="lion"'], r"fit\.optimiser"),
        (['fit.trainable_from="conv4"', "fit.cache_frozen=true"], r"fit\.cache_frozen shows the same pictures"),
        (["head_first.epochs=1"], r"head_first\.learning_rate: Field required"),
        (["fit.batch_exams=0"], r"fit\.batch_exams: .*greater than or equal to 1"),
        (["fit.batch_exams=true"], r"fit\.batch_exams: .*integer"),
        (["fit.learning_rate=-0.1"], r"fit\.learning_rate: .*greater than 0"),
        (["fit.learning_rate=nan"], r"fit\.learning_rate: .*finite"),
        (["fit.learning_rate=1e300"], r"fit\.learning_rate: .*less than or equal to 10"),
        (["fit.epochs=0"], r"fit\.epochs: .*greater than or equal to 1"),
        (["fit.dropout=1.5"], r"fit\.dropout: .*less than 1"),
        (["fit.weight_decay=-1.0"], r"fit\.weight_decay: .*greater than or equal to 0"),
        (["fit.patience=-1"], r"fit\.patience: "),
        (["fit.restarts=-1"], r"fit\.restarts: "),
        (["fit.restart_above=inf"], r"fit\.restart_above: .*finite"),
        (["warm_up.epochs=0"], r"warm_up\.epochs: "),
        (["warm_up.size=[0, 3]"], r"warm_up\.size\.0: "),
        (["recipe.extent_mm=[nan, 1.0, 1.0]"], r"recipe\.extent_mm\.0: .*finite"),
        (["recipe.clahe_clip=-1.0"], r"recipe\.clahe_clip: "),
        (["trunk.width=nan"], r"trunk\.width: .*finite"),
        (["trunk.width=0.0"], r"trunk\.width: .*greater than 0"),
        (["augmentation.shift=nan"], "augmentation: .*shift must be from 0"),
        (["seed=-1"], "seed: .*greater than or equal to 0"),
        (["svc.c=0.0", 'route="svc"'], r"svc\.c: .*greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        load_config("demo", changes)


def test_a_phase_of_its_own_for_the_head_is_a_table():
    config, _ = load_config("demo", ["head_first.epochs=2", "head_first.learning_rate=0.01"])
    assert config.head_first == HeadFirst(2, 0.01)
    assert load_config("demo", [])[0].head_first is None


def test_the_demo_starts_but_once_and_learns_as_it_always_did():
    """Written out, since a published bundle was trained so."""
    fit = load_config("demo", [])[0].fit
    assert (fit.optimiser, fit.loss, fit.restarts, fit.trainable_from) == ("adamw", "set", 0, "")
    assert (fit.plateau_patience, fit.plateau_factor, fit.class_weights) == (None, 0.3, False)


def test_the_demo_s_first_lessons_have_a_grid_of_one_cell_as_sharp_as_whole_blocks():
    """With more cells, evidence may come to lie beside the ligament (docs/training.md)."""
    config, _ = load_config("demo", [])
    crop, block = config.warm_up, config.recipe
    assert build_trunk(config.trunk, crop.size, block.channels).output_shape[1:3] == (1, 1)
    mm_a_pixel, wanted = (np.divide(each.extent_mm[1:], each.size) for each in (crop, block))
    assert mm_a_pixel == pytest.approx(wanted, rel=1e-3)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text("[fit\nepochs = 1")
    with pytest.raises(ValueError, match=r"mine\.toml: "):
        load_config(str(tmp_path / "mine.toml"), [])
    (tmp_path / "latin.toml").write_bytes("# f\xfcr".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.toml: "):
        load_config(str(tmp_path / "latin.toml"), [])
