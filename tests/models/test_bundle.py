import hashlib
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow

from data_prep.labels import FOUR_CLASS
from models.bundle import load_bundle, write_bundle
from models.calibration import Calibration
from models.files.manifest import BundleError, check_free
from models.routes.finetuned import FineTuned
from tests.models.conftest import PROVENANCE, RECIPE, tiny_svc, write_tiny_bundle


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    """A bundle of one's own to spoil."""
    return shutil.copytree(tiny_bundle, tmp_path / "copy")


def test_a_bundle_comes_back_whole(tmp_path, scheme):
    bundle = load_bundle(write_tiny_bundle(tmp_path / "some", scheme))
    assert (bundle.name, bundle.scheme, bundle.calibration.temperature) == ("some", scheme, 1.5)
    assert "synthetic knees only" in bundle.model_card
    assert "not for diagnosis" in bundle.model_card
    assert [notice.code for notice in bundle.notices()] == ["synthetic-training"]


def test_it_records_the_backend_and_its_version(tiny_bundle):
    """Of TensorFlow or whatever else computed the golden answer; on JAX, tests/training/fitting/test_jax.py asks."""
    manifest = load_bundle(tiny_bundle).manifest
    assert manifest["backend"] == keras.backend.backend() == "tensorflow"
    assert manifest["versions"]["tensorflow"] == tensorflow.__version__


def test_the_same_content_has_the_same_digest(tmp_path):
    first, second = (load_bundle(write_tiny_bundle(tmp_path / which / "b")) for which in ("x", "y"))
    assert first.sha256 == second.sha256
    assert load_bundle(write_tiny_bundle(tmp_path / "z" / "b", FOUR_CLASS)).sha256 != first.sha256


@pytest.mark.parametrize("name", ["model.weights.h5", "recipe.json", "golden.json", "MODEL_CARD.md", "metrics.json"])
def test_a_changed_or_missing_file_is_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"not the files that the manifest describes: {name}"):
        load_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"not the files that the manifest describes: {name}"):
        load_bundle(copy)


def forge(folder, change) -> None:
    """Change the manifest, keeping it valid JSON."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, before it raises on a shape that doesn't fit
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda manifest: manifest.update(schema=3), "schema 3, but this version reads 1 and 2"),
        (lambda manifest: manifest.update(route="pickle"), "unknown route 'pickle'"),
        (lambda manifest: manifest.update(scheme="ternary"), "unknown route 'mrnet' or scheme 'ternary'"),
        (lambda manifest: manifest.pop("files"), "no readable manifest"),
        (lambda manifest: manifest["files"].update({"../../etc/passwd": "0"}), "not the files"),
        (lambda manifest: manifest["architecture"]["trunk"].update(width=0.5), "can't be rebuilt"),
        (lambda manifest: manifest["architecture"]["trunk"].update(cut="conv4"), "golden volume gives"),
        (lambda manifest: manifest["architecture"].pop("trunk"), "can't be rebuilt"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy, change, reason):
    forge(copy, change)
    with pytest.raises(BundleError, match=reason):
        load_bundle(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "\xff"])
def test_a_broken_manifest_is_refused(copy, content):
    (copy / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(BundleError, match="no readable manifest"):
        load_bundle(copy)


def test_other_weights_under_a_forged_hash_fail_the_golden_answer(copy, tmp_path):
    """Hashes alone don't prove that a network computes what it did when it was made."""
    other = write_tiny_bundle(tmp_path / "other")
    bundle = load_bundle(other)
    assert isinstance(bundle.classifier, FineTuned)
    bundle.classifier.network.head.bias.assign(np.array([5.0, -5.0]))
    bundle.classifier.save(copy)
    digest = hashlib.sha256((copy / "model.weights.h5").read_bytes()).hexdigest()
    forge(copy, lambda manifest: manifest["files"].update({"model.weights.h5": digest}))
    with pytest.raises(BundleError, match="golden volume"):
        load_bundle(copy)


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_bundle_of_another_route_leaves_nothing_behind(tmp_path, tiny_bundle):
    folder = tmp_path / "mine"
    write_bundle(folder, tiny_svc(), "svc", RECIPE, Calibration(), {"figures": []}, PROVENANCE, "")
    assert "svc.npz" in names(folder)
    write_tiny_bundle(folder)
    assert names(folder) == names(tiny_bundle)
    assert load_bundle(folder).manifest["files"].keys() == load_bundle(tiny_bundle).manifest["files"].keys()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_bundle_is_replaced_on_request_only(copy, tmp_path):
    check_free(tmp_path / "nowhere")
    check_free(copy, replace=True)
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    with pytest.raises(BundleError, match=r"holds a bundle already; .* --force"):
        check_free(copy)


def a_file(path):
    path.write_text("mine")


def a_folder_of_pictures(path):
    path.mkdir()
    (path / "knee.png").write_text("mine")


def another_manifest(path):
    path.mkdir()
    (path / "manifest.json").write_text('{"name": "a web page"}')


def a_half_bundle(path):
    write_tiny_bundle(path)
    (path / "manifest.json").unlink()


def a_bundle_with_notes(path):
    write_tiny_bundle(path)
    (path / "notes.txt").write_text("mine")


def a_bundle_with_a_folder(path):
    write_tiny_bundle(path)
    (path / "figures").mkdir()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (a_file, "isn't a folder"),
        (a_folder_of_pictures, "holds other files, but no bundle"),
        (another_manifest, "holds other files, but no bundle"),
        (a_half_bundle, "holds other files, but no bundle"),
        (a_bundle_with_notes, r"aren't the bundle's \(notes.txt\)"),
        (a_bundle_with_a_folder, r"aren't the bundle's \(figures\)"),
    ],
)
def test_somebody_s_own_files_are_never_replaced(tmp_path, make, reason):
    path = tmp_path / "mine"
    make(path)
    before = names(tmp_path)
    with pytest.raises(BundleError, match=reason):
        check_free(path, replace=True)
    with pytest.raises(BundleError, match=reason):
        write_tiny_bundle(path)
    assert names(tmp_path) == before
