"""Segmenters of a few thousand weights on small drawn images: they learn, and killed runs end as undisturbed ones."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from data_prep.masks.annotated import Annotated
from data_prep.phantom import generate
from data_prep.phantom.scanner import PROFILES
from models.segment.networks.registry import build
from tests.training.drawings import TINY, annotated
from training.config.place import Place
from training.config.segmentation import SegmentConfig, load_segment_config
from training.data.annotated_inputs import AnnotatedInput
from training.data.mask_batches import MaskBatches
from training.data.mask_examples import MaskExamples, mask_examples
from training.fitting import segmentation
from training.fitting.checkpoint import RunState
from training.fitting.fit import fit
from training.fitting.seeds import fix_seed
from training.fitting.segmentation import FittedMasks, fit_segmenter, over_examples

pytestmark = pytest.mark.slow

# The trained network reaches this on images that it hasn't seen; with random weights it stays below a third of it.
LEARNT = 0.75
OF_KNEES = 0.5  # the same for knees
LONGER = ["fit.epochs=12", "fit.patience=12", "augmentation.rotation_degrees=10.0"]
VOLUMES = ["architecture.network='unet3d'", "fit.batch=2"]


def config(*changes: str) -> SegmentConfig:
    return load_segment_config("quick", [*TINY, *changes])[0]


def lessons(settings: SegmentConfig, slices: int = 1) -> tuple[MaskExamples, MaskExamples]:
    learn, held_out = (
        [AnnotatedInput.of(annotated(seed, slices=slices), settings) for seed in seeds]
        for seeds in (range(16), range(16, 22))
    )
    return mask_examples(learn, settings, learning=True), mask_examples(held_out, settings, learning=False)


def place(folder: Path, **rest: object) -> Place:
    return Place(inputs=folder, run=folder / "run", **rest)


def dice(network: keras.Model, settings: SegmentConfig, examples: MaskExamples) -> float:
    """Of all pixels of examples together."""
    whole = over_examples(network, settings)
    images, truth, _ = MaskBatches(examples, len(examples.inputs), None, seed=0)[0]
    found = keras.ops.convert_to_numpy(whole(images)).argmax(axis=-1)
    return 2 * ((found == 1) & (truth == 1)).sum() / ((found == 1).sum() + (truth == 1).sum())


def weights(fitted: FittedMasks) -> list[np.ndarray]:
    return fitted.network.get_weights()


def same(one: FittedMasks, other: FittedMasks) -> bool:
    return all(np.array_equal(first, second) for first, second in zip(weights(one), weights(other), strict=True))


def test_a_u_net_learns_to_find_the_band(tmp_path):
    settings = config(*LONGER)
    learn, held_out = lessons(settings)
    fix_seed(settings.seed)
    assert dice(build(settings.network), settings, held_out) < LEARNT / 3
    fitted = fit_segmenter(settings, learn, held_out, place(tmp_path))
    assert dice(fitted.network, settings, held_out) > LEARNT
    assert fitted.notes == {"seed": 1, "seeds_tried": [1]}


def knee(seed: int) -> Annotated:
    """The three slices of a synthetic knee that show most of its ligament."""
    phantom = generate(seed, "healthy", PROFILES[0])
    volume, most = phantom.to_volume(), np.sort(np.argsort(phantom.acl.sum(axis=(1, 2)))[-3:])
    labels = phantom.acl[most].astype(np.uint8)
    drawn = np.ones(3, bool)
    return Annotated(str(seed), str(seed), "", volume.voxels[most], volume.spacing_mm, labels, drawn, ("acl",))


def test_a_u_net_learns_to_find_the_ligament_of_synthetic_knees(tmp_path):
    settings = config(
        *LONGER,
        "fit.epochs=24",
        "recipe.size=[48, 48]",
        "recipe.extent_mm=[1000.0, 60.0, 60.0]",
        "architecture.width=8",
    )
    knees = [AnnotatedInput.of(knee(seed), settings) for seed in range(10)]
    learn = mask_examples(knees[:6], settings, learning=True)
    held_out, unseen = (mask_examples(some, settings, learning=False) for some in (knees[6:8], knees[8:]))
    fix_seed(settings.seed)
    assert dice(build(settings.network), settings, unseen) < OF_KNEES / 3
    fitted = fit_segmenter(settings, learn, held_out, place(tmp_path))
    assert dice(fitted.network, settings, unseen) > OF_KNEES


def test_crops_in_any_orientation_teach_whole_images(tmp_path):
    settings = config(
        *LONGER,
        "fit.epochs=6",
        "augmentation.crops=6",
        "augmentation.crop_size=[16, 16]",
        "augmentation.orientations=true",
    )
    learn, held_out = lessons(settings)
    fitted = fit_segmenter(settings, learn, held_out, place(tmp_path))
    assert dice(fitted.network, settings, held_out) > LEARNT


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends training in the middle of the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == 2 and batch == 1:
            raise Killed


@pytest.mark.parametrize("network", ["unet", "unet3d"])
def test_killed_in_an_epoch_it_ends_with_the_same_weights(tmp_path, monkeypatch, network):
    settings = config(*(VOLUMES if network == "unet3d" else []), "augmentation.rotation_degrees=10.0")
    learn, held_out = lessons(settings, slices=3 if network == "unet3d" else 1)
    undisturbed = fit_segmenter(settings, learn, held_out, place(tmp_path / "a"))

    def killed(*given: object, callbacks: list, **rest: object) -> None:
        fit(*given, callbacks=[Kill(), *callbacks], **rest)

    monkeypatch.setattr(segmentation, "fit", killed)
    with pytest.raises(Killed):
        fit_segmenter(settings, learn, held_out, place(tmp_path / "b"))
    monkeypatch.undo()
    (kept,) = (tmp_path / "b" / "run").iterdir()
    assert RunState.read(kept).epoch == 2
    continued = fit_segmenter(settings, learn, held_out, place(tmp_path / "b"))
    assert same(continued, undisturbed)
    continued.forget()
    assert not (tmp_path / "b" / "run").exists()


def test_it_goes_on_from_the_weights_of_an_earlier_one(tmp_path):
    settings = config("fit.epochs=1", "fit.restarts=2", "fit.restart_above=0.0")
    learn, held_out = lessons(settings)
    fix_seed(3)
    earlier = build(settings.network).get_weights()
    fitted = fit_segmenter(settings, learn, held_out, place(tmp_path), earlier)
    assert fitted.notes["seeds_tried"] == [1]  # there is no other start to try
    fresh = fit_segmenter(config("fit.epochs=1"), learn, held_out, place(tmp_path))
    assert not same(fitted, fresh)
    assert segmentation.identity(settings, learn, held_out, place(tmp_path), earlier) != segmentation.identity(
        settings, learn, held_out, place(tmp_path), None
    )


def test_a_bad_start_is_tried_again_and_the_best_one_is_kept(tmp_path, capsys):
    settings = config("fit.epochs=1", "fit.restarts=1", "fit.restart_above=0.001")
    learn, held_out = lessons(settings)
    fitted = fit_segmenter(settings, learn, held_out, place(tmp_path))
    said = capsys.readouterr().out
    assert "more than 0.0010; starting again with seed 2" in said
    assert "all 2 starts were rejected, continuing with the best one" in said
    starts = fitted.notes["rejected_starts"]
    assert isinstance(starts, list)
    assert [seed for seed, _ in starts] == [1, 2]
    assert fitted.notes["seed"] == min(starts, key=lambda start: start[1])[0]


def test_l2_is_not_part_of_the_loss_that_is_watched(tmp_path, capsys):
    settings = config("architecture.network='xnet'", "fit.epochs=2", "fit.restarts=1", "fit.restart_above=2.0")
    learn, held_out = lessons(settings)
    fit_segmenter(settings, learn, held_out, place(tmp_path))
    said = capsys.readouterr().out
    assert "starting again" not in said
    first = dict(part.rsplit(" ", 1) for part in said.splitlines()[0].split(": ")[1].split(", "))
    assert float(first["loss"]) > float(first["loss_without_l2"]) + 0.1
    assert "val_loss_without_l2" in first


def test_a_picture_of_one_unseen_image_after_every_epoch(tmp_path):
    import tensorflow

    settings = config("fit.epochs=2")
    learn, held_out = lessons(settings)
    fit_segmenter(settings, learn, held_out, dataclasses.replace(place(tmp_path), board=tmp_path / "board"))
    (file,) = (tmp_path / "board").iterdir()
    events = [
        tensorflow.compat.v1.Event.FromString(record.numpy()) for record in tensorflow.data.TFRecordDataset([str(file)])
    ]
    pictures = [value for event in events for value in event.summary.value if value.tag == "mask"]
    assert len(pictures) == 2
    assert {value.image.encoded_image_string[:4] for value in pictures} == {b"\x89PNG"}
    assert {value.tag for event in events for value in event.summary.value} >= {"loss", "val_loss", "mask"}


def test_weights_that_are_not_numbers_are_an_error(tmp_path):
    settings = config("fit.epochs=1")
    learn, held_out = lessons(settings)
    learn.images[0][:] = np.nan
    with pytest.raises(ValueError, match=r"weights that aren't finite numbers: lower fit.learning_rate"):
        fit_segmenter(settings, learn, held_out, place(tmp_path))
