"""`python -m models.segment`: proposals that the table of masks reads back, and the answer for one image."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from data_prep.boxes import bounding_box
from data_prep.masks.load import load_annotated
from data_prep.masks.table import by_exam, read_masks
from data_prep.network_input.recipe import Recipe
from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import Phantom, generate
from data_prep.selection.series import load_study
from models.segment.__main__ import main
from models.segment.plausible import Plausible
from models.segment.recipe import SegmentRecipe
from tests.models.segment.bright import bright
from tests.models.segment.test_segmenter import dice, knee

pytestmark = pytest.mark.slow

RECIPE = SegmentRecipe(Recipe((1000.0, 128.0, 128.0), (128, 128), window=(0.0, 100.0)), assumed_mm=128.0)
ANYTHING = Plausible((1.0, 1e5), (0.0, 1.0), (0.0, 1.0), (1.0, 20.0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "bright"
    bright(recipe=RECIPE, plausible=ANYTHING).save(folder)
    return folder


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    one = generate(3, "healthy")
    return replace(one, pixels=np.where(one.acl, one.pixels.max(), one.pixels // 2))


@pytest.fixture(scope="module")
def given(phantom, tmp_path_factory) -> Path:
    """A series, an array and pictures with a bright structure; a picture without; an array with a blurred one."""
    folder = tmp_path_factory.mktemp("given")
    write(phantom, folder / "series")
    voxels, _ = knee()
    np.save(folder / "array.npy", voxels)
    (folder / "pictures").mkdir()
    for name, plane in {"clear": voxels[3], "nothing": cv2.GaussianBlur(voxels[0], (0, 0), 20)}.items():
        picture = np.round(plane / plane.max() * (255 if name == "clear" else 100)).astype(np.uint8)
        picture[0, 0] = 255
        (folder / "pictures" / f"{name}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


@pytest.fixture(scope="module")
def proposed(bundle, given, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("proposed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1764500000")
        _propose(bundle, given, out)
    return out


def _propose(bundle: Path, given: Path, out: Path) -> None:
    paths = [str(given / name) for name in ("series/dicom", "array.npy", "pictures")]
    assert main(["propose", str(bundle), "--images", *paths, "--out", str(out)]) == 0


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def corrected(out: Path) -> Path:
    """The table after somebody has looked at every proposal."""
    text = (out / "masks.csv").read_text(encoding="utf-8")
    (out / "corrected.csv").write_text(re.sub(r",no,(proposed by)", r",yes,\1", text), encoding="utf-8")
    return out / "corrected.csv"


def test_proposals_are_not_used_before_somebody_has_corrected_them(proposed):
    assert [row["used"] for row in rows_of(proposed / "masks.csv")] == ["no", "no", "no"]
    with pytest.raises(ValueError, match="no row is left to use"):
        read_masks(proposed / "masks.csv")


def test_corrected_proposals_are_read_as_masks(proposed, phantom):
    exams = {name: load_annotated(rows) for name, rows in by_exam(read_masks(corrected(proposed))).items()}
    assert set(exams) == {"series", "array", "clear"}
    assert {one.structures for one in exams.values()} == {("acl",)}
    voxels, mask = knee()
    assert dice(exams["series"].labels == 1, phantom.acl) > 0.8
    assert dice(exams["array"].labels == 1, mask) > 0.8
    assert dice(exams["clear"].labels == 1, mask[3:4]) > 0.8
    np.testing.assert_array_equal(exams["array"].voxels, voxels)


def test_each_slice_of_a_volume_is_a_picture_too(proposed, phantom):
    pictures = sorted((proposed / "masks" / "series").glob("*.png"))
    (row,) = [row for row in read_masks(corrected(proposed)) if row.exam_id == "series"]
    labels = load_annotated([row]).labels
    assert [int(path.stem[-3:]) for path in pictures] == np.flatnonzero(labels.any(axis=(1, 2))).tolist()
    for path in pictures:
        shown = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(shown, 255 * labels[int(path.stem[-3:])])
    assert {path.stem for path in (proposed / "look").iterdir()} == {"series", "array", "clear"}


def test_what_was_not_found_comes_first(proposed):
    order = rows_of(proposed / "uncertainty.csv")
    assert [row["order"] for row in order] == ["1", "2", "3", "4"]
    assert (order[0]["exam_id"], order[0]["uncertainty"], order[0]["found"]) == ("nothing", "1.0000", "")
    rest = [float(row["uncertainty"]) for row in order[1:]]
    assert rest == sorted(rest, reverse=True)
    assert 0 < rest[-1] < rest[0] < 1


def test_the_same_proposal_is_the_same_file(bundle, given, proposed, tmp_path, monkeypatch):
    again = []
    for epoch in ("1764500000", "1764500001"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        assert main(["propose", str(bundle), "--images", str(given / "series/dicom"), "--out", str(tmp_path)]) == 0
        again.append((tmp_path / "masks/series.dcm").read_bytes())
    first = (proposed / "masks/series.dcm").read_bytes()
    assert again[0] == first
    objects = [pydicom.dcmread(io.BytesIO(one)) for one in again]
    assert objects[0].SOPInstanceUID != objects[1].SOPInstanceUID  # another time is another instance
    assert objects[0].SeriesInstanceUID == objects[1].SeriesInstanceUID


def test_annotated_images_are_left_out(bundle, given, proposed, tmp_path, capsys):
    command = ["propose", str(bundle), "--images", str(given / "pictures"), "--out", str(tmp_path), "--annotated"]
    assert main([*command, str(corrected(proposed))]) == 0
    assert [row["exam_id"] for row in rows_of(tmp_path / "uncertainty.csv")] == ["nothing"]
    assert "0 of 1 images" in capsys.readouterr().out


def test_an_implausible_proposal_is_doubted_and_comes_before_surer_ones(given, tmp_path):
    tiny = bright(recipe=RECIPE, plausible=replace(ANYTHING, volume_mm3=(1.0, 2.0)))
    tiny.save(tmp_path / "tiny")
    paths = [str(given / "pictures" / "clear.png"), str(given / "series/dicom")]
    assert main(["propose", str(tmp_path / "tiny"), "--images", *paths, "--out", str(tmp_path / "out")]) == 0
    order = rows_of(tmp_path / "out" / "uncertainty.csv")
    assert [(row["exam_id"], row["doubt"]) for row in order] == [("series", "volume"), ("clear", "")]


def test_several_structures_are_read_back(given, tmp_path):
    two = replace(bright(recipe=RECIPE).architecture, classes=3)
    segmenter = bright(two, ("acl", "femur"), recipe=RECIPE)
    kernel, bias = segmenter.network.get_layer("logits").get_weights()
    bias[2] = -9  # no femur
    segmenter.network.get_layer("logits").set_weights([kernel, bias])
    segmenter.save(tmp_path / "two")
    paths = [str(given / name) for name in ("series/dicom", "array.npy", "pictures/clear.png")]
    assert main(["propose", str(tmp_path / "two"), "--images", *paths, "--out", str(tmp_path / "out")]) == 0
    for rows in by_exam(read_masks(corrected(tmp_path / "out"))).values():
        assert load_annotated(rows).mask("acl").any()


@pytest.mark.parametrize("name", ["series/dicom", "array.npy", "pictures/clear.png"])
def test_one_image_is_segmented(bundle, given, phantom, name, tmp_path, capsys):
    assert main(["predict", str(bundle), str(given / name), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    mask = {"series/dicom": phantom.acl, "array.npy": knee()[1], "pictures/clear.png": knee()[1][3:4]}[name]
    numbers = [int(number) for number in re.findall(r"(?:slice|row|column) (\d+)", said)]
    assert mask[tuple(numbers)]
    spans = [tuple(map(int, span)) for span in re.findall(r"(\d+):(\d+)", said)]
    for (start, stop), (first, last) in zip(spans, bounding_box(mask), strict=True):
        assert (start, stop) == (pytest.approx(first, abs=3), pytest.approx(last, abs=3))
    files = {path.name for path in (tmp_path / "out").iterdir()}
    if name.endswith("png"):
        assert files == {"mask.png", "overlay.png"}
        shown = cv2.imread(str(tmp_path / "out" / "mask.png"), cv2.IMREAD_UNCHANGED)
        assert dice(shown[None] == 255, mask) > 0.8
    else:
        assert files == {"mask.npz", "overlay.png"} | ({"mask.dcm"} if name.startswith("series") else set())
        with np.load(tmp_path / "out" / "mask.npz") as arrays:
            assert dice(arrays["acl"], mask) > 0.8


def test_a_segmentation_belongs_to_its_patient_and_series(bundle, given, proposed):
    found = pydicom.dcmread(proposed / "masks" / "series.dcm")
    selection = load_study(given / "series" / "dicom")
    source = selection.origins[0]
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert found[keyword].value == source[keyword].value
    assert found.SeriesInstanceUID != source.SeriesInstanceUID
    assert {
        str(one.ReferencedSOPInstanceUID) for one in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    } <= {*selection.volume.sop_uids}
    assert [segment.SegmentLabel for segment in found.SegmentSequence] == ["acl"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["predict", "{bundle}", "none.png", "--out", "{out}"], "none.png: there is no such file"),
        (["predict", "{given}", "{given}/array.npy", "--out", "{out}"], "no readable manifest"),
        (["predict", "{bundle}", "{bundle}", "--out", "{out}"], "bright"),
    ],
)
def test_mistakes_are_one_sentence(bundle, given, tmp_path, capsys, command, says):
    words = [word.format(bundle=bundle, given=given, out=tmp_path / "out") for word in command]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert says.casefold() in said.casefold()
    assert len(said.splitlines()) == 1
