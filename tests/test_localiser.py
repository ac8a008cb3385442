"""A localiser between the volume and the crop: service, batch and training cut the same block and give the same logits.

It finds the true box of a synthetic knee, which it knows by heart. `test_localiser_network.py` has a segmenter in its
place.
"""

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import app.predict
from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from data_prep.network_input.coarse import Coarse
from data_prep.network_input.crop import crop
from data_prep.network_input.located import Located
from data_prep.prepare.load import ligament_box, load_exam
from data_prep.tables.exams import Exam, read_exams
from data_prep.workers import Workers
from models.bundle import load_bundle
from models.predictor import Predictor
from models.segment.localiser import LOCALISERS
from tests.app.conftest import LOADING_S
from training.config.config import load_config
from training.config.place import Place
from training.data.examples import prepare
from training.train import train

pytestmark = pytest.mark.slow

CHANGES = ["recipe.size=[64, 64]", "recipe.extent_mm=[20.0, 40.0, 40.0]", "trunk.width=0.0625", "fit.epochs=1"]


class Knowing:
    """Knows the true box of each exam by its pixels."""

    kind = "knowing"

    def __init__(self, boxes: dict[str, list[list[int]]]) -> None:
        self.boxes = boxes
        self.sha256 = hashlib.sha256(json.dumps(boxes, sort_keys=True).encode()).hexdigest()

    def locate(self, coarse: Coarse) -> Located:
        known = self.boxes.get(pixels(coarse))
        return Located(known and tuple(map(tuple, known)))

    def save(self, folder: Path) -> None:
        (folder / "boxes.json").write_text(json.dumps(self.boxes))

    @classmethod
    def load(cls, folder: Path) -> "Knowing":
        return cls(json.loads((folder / "boxes.json").read_text()))


def pixels(coarse: Coarse) -> str:
    return hashlib.sha256(coarse.voxels.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def exams(knees) -> list[Exam]:
    return read_exams(knees / "exams.csv")


@pytest.fixture(scope="module")
def localiser(exams) -> Knowing:
    """Of all exams but one, in which it finds nothing."""
    return Knowing({pixels(Coarse.of(load_exam(exam))): ligament_box(exam) for exam in exams[1:]})


@pytest.fixture(scope="module")
def trained(knees, exams, localiser, tmp_path_factory):
    """A bundle that was trained with the localiser, its configuration, and the place where it was trained."""
    folder = tmp_path_factory.mktemp("localised")
    config, text = load_config("demo", [*CHANGES])
    config = replace(config, warm_up=None)
    place = Place(folder / "inputs", folder / "run", Workers(1), localiser=localiser)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOCALISERS, Knowing.kind, Knowing)
        train(config, text, exams, folder / "bundle", "a test", place)
        yield folder / "bundle", config, place


def expected(bundle, exam: Exam) -> np.ndarray:
    """Logits of the block around the box that the localiser finds, by hand."""
    volume = load_exam(exam)
    box = bundle.localiser.locate(Coarse.of(volume)).box
    slices, _ = crop(volume.voxels, volume.spacing_mm, bundle.recipe, box)
    return bundle.classifier.logits(bundle.classifier.features(slices))


def test_service_batch_and_training_give_the_same_logits(trained, exams, knees, tmp_path):
    folder, config, place = trained
    bundle = load_bundle(folder)
    chosen = exams[:4]
    by_hand = {exam.exam_id: expected(bundle, exam) for exam in chosen}

    for exam in chosen:
        shutil.make_archive(str(tmp_path / "root" / exam.exam_id), "zip", exam.path)
    arguments = ["--batch", str(tmp_path / "root"), "--bundle", str(folder), "--out", str(tmp_path / "out")]
    assert app.predict.main([*arguments, "--jobs", "2"]) == 0
    with (tmp_path / "out" / "predictions.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == len(chosen)

    service = create_app(Settings(bundles=(folder,), data=tmp_path / "var"))
    try:
        service.extensions[EXTENSION].engine.loaded.result(LOADING_S)
        client = service.test_client()
        for exam in chosen:
            zip_ = (tmp_path / "root" / f"{exam.exam_id}.zip").read_bytes()
            posted = client.post("/v1/predictions", data=zip_, content_type="application/zip").json
            batched = json.loads((tmp_path / "out" / "answers" / f"{exam.exam_id}.zip.json").read_text())
            for answer in (posted, batched):
                assert list(answer["result"]["logits"].values()) == by_hand[exam.exam_id].tolist()
            assert posted["study"] == batched["study"]
    finally:
        service.extensions[EXTENSION].stop()

    inputs = prepare(chosen, bundle.scheme, config.recipe, place.inputs, Workers(1), place.around).inputs
    for exam, slices in zip(chosen, inputs, strict=True):
        learnt = bundle.classifier.logits(bundle.classifier.features(np.asarray(slices)))
        assert learnt.tolist() == by_hand[exam.exam_id].tolist()


def test_the_answer_says_which_box_was_used(trained, exams, tmp_path):
    folder, _, _ = trained
    for exam, found in ((exams[0], False), (exams[1], True)):
        assert app.predict.main([str(exam.path), "--bundle", str(folder), "--out", str(tmp_path / exam.exam_id)]) == 0
        said = json.loads((tmp_path / exam.exam_id / "answer.json").read_text())["study"]["localisation"]
        assert said["found"] is found
        if not found:
            assert said["box"] is None
            continue
        assert tuple(map(tuple, said["box"])) == ligament_box(exam)


def test_the_map_lies_where_the_block_was_cut(trained, exams):
    predictor = Predictor(load_bundle(trained[0]))
    volume = load_exam(exams[1])
    prediction = predictor.predict(volume)
    first, stop = prediction.footprint.slices
    middle = sum(prediction.located.box[0]) / 2
    assert first <= middle <= stop
    assert prediction.contributions()[:, :first].any() == prediction.contributions()[:, stop:].any() == False  # noqa: E712
    rows = prediction.footprint.rows
    assert rows[0] < sum(prediction.located.box[1]) / 2 < rows[1]


def test_a_bundle_without_its_localiser_is_refused(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "bundle")
    (tmp_path / "bundle" / "localiser" / "boxes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"localiser/boxes\.json"):
        load_bundle(tmp_path / "bundle")


def test_without_a_localiser_the_answer_has_no_such_field(exams, tmp_path):
    assert app.predict.main([str(exams[0].path), "--bundle", "models/bundles/demo", "--out", str(tmp_path)]) == 0
    assert "localisation" not in json.loads((tmp_path / "answer.json").read_text())["study"]
