"""A segmenter as the localiser of a classifier: trained around it, nested in the bundle, and in every answer.

The segmenter's weights are set by hand: it finds what is brightest. Where it shall find the ligament, the ligament is
painted bright, so the whole way has a known truth.
"""

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom.filebase import DicomBytesIO

import app.predict
from app.contract.masks import drawn
from app.contract.schemas import SliceMask
from app.factory import create_app
from app.service.parts import EXTENSION
from app.service.settings import Settings
from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import Phantom, generate
from data_prep.selection.series import load_study
from data_prep.volume import Volume
from models.bundle import load_bundle
from models.files.manifest import LOCALISER
from models.predictor import Predictor
from models.segment.network_localiser import EMPTY, IMPLAUSIBLE, NetworkLocaliser
from models.segment.plausible import Plausible, Shape
from models.segment.recipe import SegmentRecipe
from tests.app.conftest import LOADING_S
from tests.models.segment.bright import bright
from tests.models.segment.test_segmenter import dice
from training import train

pytestmark = pytest.mark.slow

CHANGES = ["recipe.size=[64, 64]", "recipe.extent_mm=[20.0, 40.0, 40.0]", "trunk.width=0.0625", "fit.epochs=1"]


def painted(seed: int) -> Phantom:
    """A knee whose ligament is twice as bright as anything else."""
    phantom = generate(seed, "healthy")
    return replace(phantom, pixels=np.where(phantom.acl, phantom.pixels.max(), phantom.pixels // 2))


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [painted(seed) for seed in (3, 4)]


@pytest.fixture(scope="module")
def segmenter(phantoms, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("segmenter") / "bright"
    recipe = SegmentRecipe(Recipe((1000.0, 128.0, 128.0), (128, 128), window=(0.0, 100.0)))
    shapes = [Shape.of(one.acl, one.to_volume().spacing_mm) for one in phantoms]
    bright(recipe=recipe, plausible=Plausible.of(shapes)).save(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(knees, segmenter, tmp_path_factory) -> Path:
    """By the command that users type."""
    folder = tmp_path_factory.mktemp("trained") / "localised"
    changes = [word for change in CHANGES for word in ("--set", change)]
    command = ["train", "demo", "--exams", knees / "exams.csv", "--out", folder, "--localiser", segmenter, "--jobs", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(word) for word in (*command, *changes)])
        train.main()
    return folder


@pytest.fixture(scope="module")
def studies(phantoms, tmp_path_factory) -> Path:
    """A folder of zips: two knees with a bright ligament, one without."""
    root = tmp_path_factory.mktemp("studies")
    for name, phantom in zip("abc", [*phantoms, generate(5, "healthy")], strict=True):
        write(phantom, root / "files" / name)
        shutil.make_archive(str(root / "zips" / name), "zip", root / "files" / name / "dicom")
    return root / "zips"


def test_the_bundle_holds_the_localiser_that_it_was_trained_with(bundle, segmenter):
    loaded = load_bundle(bundle)
    assert loaded.localiser.sha256 == NetworkLocaliser.load(segmenter).sha256
    assert loaded.manifest["localiser"] == "network"
    assert "| localiser | network: the block is cut around what it finds |" in loaded.model_card
    assert loaded.manifest["command"].endswith(f"--localiser {LOCALISER}")
    assert NetworkLocaliser.load(bundle / LOCALISER).sha256 == loaded.localiser.sha256


@pytest.mark.parametrize("index", [0, 1])
def test_maps_lie_in_source_pixels_around_the_mask_and_add_up(bundle, phantoms, index):
    volume, truth = phantoms[index].to_volume(), phantoms[index]
    predictor = Predictor(load_bundle(bundle))
    prediction = predictor.predict(volume)
    assert dice(prediction.located.mask, truth.acl) > 0.8
    for (start, stop), (first, last) in zip(prediction.located.box, truth.box, strict=True):
        assert start <= first < last <= stop
    assert not predictor.not_located
    slices, footprint = crop(volume.voxels, volume.spacing_mm, predictor.bundle.recipe, prediction.located.box)
    classifier = predictor.bundle.classifier
    assert prediction.logits.tolist() == classifier.logits(classifier.features(slices)).tolist()
    maps = prediction.footprint.carry_back(prediction.maps)
    assert maps.shape[1:] == volume.shape
    sums = maps.sum(axis=(1, 2, 3), dtype=np.float64) + prediction.bias
    np.testing.assert_allclose(sums, prediction.logits, rtol=1e-4, atol=1e-5)
    assert maps[:, slice(*truth.box[0]), slice(*truth.box[1]), slice(*truth.box[2])].any()
    assert not np.delete(maps, range(*footprint.slices), axis=1).any()


@pytest.mark.parametrize("code", [EMPTY, IMPLAUSIBLE])
def test_nothing_plausible_means_the_middle_of_the_knee_and_a_warning(bundle, phantoms, code):
    whole = phantoms[0].to_volume()
    voxels = phantoms[0].pixels // 2 if code == EMPTY else phantoms[0].pixels.copy()
    if code == EMPTY:  # what is brightest is a speck
        voxels[0, voxels.shape[1] // 2, voxels.shape[2] // 2] = phantoms[0].pixels.max()
    else:  # a bright bone beside the ligament
        voxels[:, :60, :60] = phantoms[0].pixels.max()
    volume: Volume = replace(whole, voxels=voxels.astype(np.float32))
    predictor = Predictor(load_bundle(bundle))
    prediction = predictor.predict(volume)
    without = Predictor(replace(predictor.bundle, localiser=None)).predict(volume)
    assert prediction.logits.tolist() == without.logits.tolist()
    assert (prediction.located.box, prediction.located.mask) == (None, None)
    assert [one.code for one in prediction.notices].count(code) == 1
    assert predictor.not_located == {code: 1}
    assert without.located is None


def test_service_and_batch_give_box_mask_and_segmentation(bundle, studies, tmp_path, capsys, caplog):
    assert app.predict.main(["--batch", str(studies), "--bundle", str(bundle), "--out", str(tmp_path / "out")]) == 0
    assert "In 1 studies of this run the localiser didn't find the ligament" in capsys.readouterr().err
    with (tmp_path / "out" / "predictions.csv").open(newline="") as stream:
        warnings = [row["warnings"] for row in csv.DictReader(stream)]
    assert ["ligament-" in one for one in warnings] == [False, False, True]

    predictor = Predictor(load_bundle(bundle))
    service = create_app(Settings(bundles=(bundle,), data=tmp_path / "var"))
    try:
        service.extensions[EXTENSION].engine.loaded.result(LOADING_S)
        client = service.test_client()
        for name in "abc":
            content = (studies / f"{name}.zip").read_bytes()
            posted = client.post("/v1/predictions", data=content, content_type="application/zip").json
            batched = json.loads((tmp_path / "out" / "answers" / f"{name}.zip.json").read_text())
            selection = load_study(studies.parent / "files" / name / "dicom")
            expected = predictor.predict(selection.volume)
            for answer in (posted, batched):
                assert list(answer["result"]["logits"].values()) == expected.logits.tolist()
            assert posted["study"] == batched["study"]
            found, place = posted["study"]["localisation"], f"/v1/predictions/{posted['id']}/dicom/ligament.dcm"
            if name == "c":
                assert (found["found"], "mask" in found, client.get(place).status_code) == (False, False, 404)
                continue
            mask = drawn([SliceMask(**one) for one in found["mask"]], selection.volume.shape)
            np.testing.assert_array_equal(mask, expected.located.mask)
            shown = segread(DicomBytesIO(client.get(place).data))
            frames = shown.get_pixels_by_source_instance(
                list(selection.volume.sop_uids), assert_missing_frames_are_empty=True, combine_segments=True
            )
            shown._db_con.close()
            np.testing.assert_array_equal(frames, mask)
            with np.load(io.BytesIO(client.get(f"/v1/predictions/{posted['id']}/map.npz").data)) as served:
                contribution = sum(one["contribution"] for one in posted["explanation"]["slices"])
                assert served["map"].sum(dtype=np.float64) == pytest.approx(contribution, rel=1e-4, abs=1e-5)
        assert "no ligament that it could use; bundle localised since the start: ligament-" in caplog.text
    finally:
        service.extensions[EXTENSION].stop()


def test_a_segmenter_without_the_ligament_is_refused_in_a_sentence(knees, tmp_path, capsys, monkeypatch):
    bright(structures=("femur",)).save(tmp_path / "bones")
    command = ["train", "demo", "--exams", knees / "exams.csv", "--out", tmp_path / "out", "--localiser"]
    for folder, says in ((tmp_path / "bones", "must know the ligament"), (tmp_path / "none", "no readable manifest")):
        monkeypatch.setattr(sys, "argv", [str(word) for word in (*command, folder)])
        with pytest.raises(SystemExit) as ended:
            train.main()
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
