import json
import re
import shutil
from pathlib import Path

import pytest
from pydicom import dcmread

from app.jobs.answer import NOTICE
from app.predict import main
from tests.app.studies import PATIENT, SLICES, instances, study_zip, voxels, zipped

pytestmark = pytest.mark.slow

OF_THE_RUN = {"created", "timing_ms"}


@pytest.fixture
def zip_(tmp_path):
    path = tmp_path / "study.zip"
    path.write_bytes(study_zip())
    return path


@pytest.fixture
def predict(bundles, tmp_path, capsys):
    """The command; gives its exit status, what it printed and its folder."""

    def run(study, *options, bundle=bundles[0]):
        status = main([str(study), "--bundle", str(bundle), "--out", str(tmp_path / "out"), *options])
        return status, capsys.readouterr(), tmp_path / "out"

    return run


def test_the_answer_is_the_services(answered, predict, zip_):
    client, theirs = answered
    status, printed, out = predict(zip_)
    ours = json.loads((out / "answer.json").read_text())
    assert status == 0
    assert {key: ours[key] for key in ours.keys() - OF_THE_RUN} == {
        key: theirs[key] for key in theirs.keys() - OF_THE_RUN
    }
    overlays = sorted((out / "slices").glob("*/overlay.png"))
    assert len(overlays) == SLICES
    for index in (0, SLICES // 2):
        link = theirs["explanation"]["slices"][index]["overlay"]
        assert (out / "slices" / str(index) / "overlay.png").read_bytes() == client.get(link).data
        assert link.endswith(f"/slices/{index}/overlay.png")
    assert NOTICE in printed.out


def test_of_two_knees_the_one_that_is_asked_for(predict, tmp_path):
    path = tmp_path / "both.zip"
    path.write_bytes(zipped(instances(voxels()) + instances(voxels(1), series="2.25.99", Laterality="L")))
    status, printed, _ = predict(path)
    assert status == 1
    assert "--laterality" in printed.err
    status, _, out = predict(path, "--laterality", "L")
    assert status == 0
    assert json.loads((out / "answer.json").read_text())["study"]["laterality"] == "L"


def test_a_series_that_is_asked_for(predict, tmp_path):
    path = tmp_path / "several.zip"
    path.write_bytes(zipped(instances(voxels()) + instances(voxels(1), series="2.25.99", ScanOptions="", EchoTime=12)))
    status, _, out = predict(path, "--series", "2.25.99")
    study = json.loads((out / "answer.json").read_text())["study"]
    assert (status, study["series_uid"], study["series_chosen_by"]) == (0, "2.25.99", "request")
    status, printed, _ = predict(path, "--series", "2.25.100")
    assert (status, "no such series" in printed.err) == (1, True)


@pytest.mark.parametrize("options", [["--series", "../8"], ["--series", ""], ["--batch", ".", "--series", "2.25.8"]])
def test_a_wrong_series_is_a_wrong_command(options, capsys):
    with pytest.raises(SystemExit) as left:
        main([*(["study.zip"] if "--batch" not in options else []), "--bundle", "b", "--out", "o", *options])
    assert left.value.code == 2
    assert capsys.readouterr().err


def test_the_dicom_objects_of_the_study_are_written(predict, zip_):
    """The bundle has no colour scale, so there is no region."""
    _, _, out = predict(zip_)
    objects = [dcmread(path) for path in out.rglob("*.dcm")]
    assert sorted(object_.Modality for object_ in objects) == [*["OT"] * (SLICES + 2), "SR"]
    assert {path.stem for path in out.glob("*.dcm")} == {"key-image", "map", "sr"}
    assert dcmread(out / "slices" / "3" / "overlay.dcm").InstanceNumber == 4
    assert {object_.StudyInstanceUID for object_ in objects} == {"2.25.7"}


def test_a_folder_is_as_good_as_a_zip(answered, predict, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    for index, content in enumerate(instances(voxels())):
        (folder / f"{index}").write_bytes(content)
    status, _, out = predict(folder)
    assert status == 0
    assert json.loads((out / "answer.json").read_text())["id"] == answered[1]["id"]


def test_a_study_that_cannot_be_predicted_on_is_a_sentence(predict, tmp_path):
    for name, content in {
        "cut.zip": zipped([file[:-1000] for file in instances(voxels())]),
        "few.zip": zipped(instances(voxels())[:3]),
        "blank.zip": zipped(instances(0 * voxels())),
    }.items():
        (tmp_path / name).write_bytes(content)
        status, printed, out = predict(tmp_path / name)
        assert status == 1
        assert printed.err.strip().endswith(".")
        assert not out.exists()


def test_nothing_of_the_patient_is_printed(predict, zip_, tmp_path):
    few = tmp_path / "few.zip"
    few.write_bytes(zipped(instances(voxels())[:3]))
    for study in (zip_, few):
        _, printed, _ = predict(study)
        for value in PATIENT.values():
            assert value not in printed.out + printed.err


def test_a_folder_that_cannot_be_written_is_a_sentence(zip_, bundles, tmp_path, capsys):
    (tmp_path / "file").touch()
    studies = tmp_path / "studies"
    studies.mkdir()
    zip_.rename(studies / "study.zip")
    for what in ([str(studies / "study.zip")], ["--batch", str(studies)]):
        for out in (tmp_path / "file" / "out", Path("/proc/out")):
            assert main([*what, "--bundle", str(bundles[0]), "--out", str(out)]) == 1
            said = capsys.readouterr().err.strip().splitlines()
            assert len(said) == 1
            assert re.search(r": (Not a directory|No such file or directory)\.", said[0])


def test_a_damaged_bundle_is_a_sentence(zip_, bundles, tmp_path, capsys):
    bundle = shutil.copytree(bundles[0], tmp_path / "damaged")
    next(bundle.glob("*.weights.h5")).write_bytes(b"garbage")
    with pytest.raises(SystemExit) as end:
        main([str(zip_), "--bundle", str(bundle), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "error: damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bundle", "B", "--out", "O"],
        ["study.zip", "--batch", ".", "--bundle", "B", "--out", "O"],
        ["nowhere.zip", "--bundle", "B", "--out", "O"],
        ["study.zip", "--bundle", "nowhere", "--out", "O"],
        ["--batch", "nowhere", "--bundle", "B", "--out", "O"],
        ["study.zip", "--out", "O"],
    ],
)
def test_a_wrong_command_is_told_apart(arguments, zip_, monkeypatch, capsys):
    monkeypatch.chdir(zip_.parent)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err
