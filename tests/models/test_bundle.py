import hashlib
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow

from data_prep.labels import FOUR_CLASS
from models.bundle import BundleError, load_bundle
from tests.models.conftest import write_tiny_bundle


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
    """Of TensorFlow or whatever else computed the golden answer; on JAX, tests/training/test_jax.py asks."""
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
        (lambda manifest: manifest.update(schema=2), "schema 2"),
        (lambda manifest: manifest.update(route="pickle"), "unknown route 'pickle'"),
        (lambda manifest: manifest.update(scheme="ternary"), "unknown route 'mrnet' or scheme 'ternary'"),
        (lambda manifest: manifest.pop("files"), "no readable manifest"),
        (lambda manifest: manifest["files"].update({"../../etc/passwd": "0"}), "not the files"),
        (lambda manifest: manifest["architecture"]["trunk"].update(width=0.5), "can't be rebuilt"),
        (lambda manifest: manifest["architecture"]["trunk"].update(cut="conv4"), "golden study gives"),
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
    bundle.classifier.network.head.bias.assign(np.array([5.0, -5.0]))
    bundle.classifier.save(copy)
    digest = hashlib.sha256((copy / "model.weights.h5").read_bytes()).hexdigest()
    forge(copy, lambda manifest: manifest["files"].update({"model.weights.h5": digest}))
    with pytest.raises(BundleError, match="golden study"):
        load_bundle(copy)
