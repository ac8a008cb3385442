"""The table of masks: what is written is read again, and every fault is named by row and column."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.masks.row import COLUMNS, MaskRow
from data_prep.masks.structures import STRUCTURES, Shows
from data_prep.masks.table import by_exam, read_masks, write_masks
from tests.data_prep.masks.making import put_table
from tests.data_prep.tables.workbooks import as_xlsx


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with empty files, whose names are all that a table asks for."""
    folder = tmp_path_factory.mktemp("masks")
    for name in (
        "a.png",
        "b.png",
        "c.npy",
        "d.npz",
        "é ü.png",
        "mask.png",
        "mask2.png",
        "mask.npz",
        "m.nii.gz",
        "a.TIF",
    ):
        (folder / name).touch()
    (folder / "series").mkdir()
    return folder


def refused(home: Path, *rows: dict[str, object]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # callers look at the sentence
        read_masks(put_table(home, *rows))
    return str(caught.value)


def test_defaults(home):
    (row,) = read_masks(put_table(home, {"image": "a.png", "mask": "mask.png"}))
    assert (row.image, row.mask) == (home / "a.png", home / "mask.png")
    assert (row.structure.only, row.split, row.slice, row.drawn, row.empty) == ("acl", "", None, "all", False)
    assert (row.row_mm, row.column_mm, row.slice_mm) == (None, None, None)
    assert row.place == "masks.csv, row 2"


def test_cells_as_people_write_them(home):
    shared = {"exam_id": "e", "patient_id": "p", "split": "TRAIN"}
    first = {"image": "series", "mask": "mask.png", "slice": "7.0", "row_mm": "0,5", "column_mm": "0.5"}
    second = {"image": "series", "box": "10:15|1:8|2:9", "structure": "PCL", "drawn": "8:12|15", "row_mm": 0.5}
    rows = read_masks(put_table(home, shared | first, shared | second | {"column_mm": 0.5, "slice_mm": ""}))
    assert (rows[0].slice, rows[0].row_mm, rows[0].split) == (7, 0.5, "train")
    assert (rows[1].box, rows[1].structure.only) == (((10, 15), (1, 8), (2, 9)), "pcl")
    assert rows[1].drawn == ((8, 12), (15, 16))
    (row,) = read_masks(put_table(home, {"image": "a.png", "box": "1:8;2:9"}))
    assert row.box == ((0, 1), (1, 8), (2, 9))


def test_a_workbook_is_read(home, tmp_path):
    for name in ("a.png", "mask.png"):
        (tmp_path / name).touch()
    table = put_table(tmp_path, {"image": "a.png", "mask": "mask.png", "structure": "femur", "notes": "mine"})
    lines = [line.split(",") for line in table.read_text().splitlines()]
    (tmp_path / "masks.xlsx").write_bytes(as_xlsx(lines))
    (row,) = read_masks(tmp_path / "masks.xlsx")
    assert row.structure.only == "femur"


def test_rows_that_aren_t_used_are_left_out(home):
    shared = {"exam_id": "e", "patient_id": "p", "image": "c.npy", "reader": "ann"}
    used, other = {"mask": "mask.npz", "used": "yes"}, {"mask": "no such file", "used": "no"}
    (row,) = read_masks(put_table(home, shared | used, shared | other))
    assert row.mask == home / "mask.npz"
    assert "no row is left to use" in refused(home, shared | other)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image": ""}, "row 2, column image: '' is not filled in"),
        ({"image": "gone.png"}, "there is no file .*gone.png"),
        ({"mask": "m.nii.gz"}, "column mask: .gz files aren't read; save it as PNG, .npz or DICOM"),
        ({"image": "a.TIF"}, "column image: .tif files aren't read"),
        ({"mask": "gone.png"}, "column mask: there is no file"),
        ({"mask": ""}, "neither a mask nor a box"),
        ({"box": "1:2|3:4|5:6"}, "a mask and a box"),
        ({"mask": "", "box": "0:1|9:3|1:4"}, "column box: .* is not"),
        ({"mask": "", "box": "-1:1|2:3|1:4"}, "column box: .* is not a box"),
        ({"mask": "", "box": "0:1|2:3|1:4", "empty": "yes"}, "there is a box, but column empty"),
        ({"mask": "", "empty": "yes", "structure": "1=acl"}, "values have a meaning in a mask only"),
        ({"structure": "cyst"}, "column structure: 'cyst' is not one of acl"),
        ({"slice": "-1"}, "column slice: '-1' is not a slice's number from 0 or its SOPInstanceUID"),
        ({"slice": "1.2.840.1"}, "names a slice of a DICOM series"),
        ({"drawn": "shown"}, "this is for volumes"),
        ({"image": "c.npy", "drawn": "5:3"}, "column drawn: '5:3' is not all, shown"),
        ({"empty": "maybe"}, "column empty: 'maybe' is not yes or no"),
        ({"used": "maybe"}, "column used: 'maybe' is not yes or no"),
        ({"split": "training"}, "column split: 'training' is not one of"),
        ({"row_mm": -0.5, "column_mm": 0.5}, "column row_mm: '-0.5' is not a distance between pixels of 0.05 to 5 mm"),
        ({"row_mm": 500, "column_mm": 0.5}, "column row_mm: '500' is not a distance"),
        ({"row_mm": 0.5}, "row_mm and column_mm are needed together"),
        ({"slice_mm": 3}, "slice_mm is there, but row_mm"),
        ({"row_mm": 0.5, "column_mm": 0.5, "slice_mm": 300}, "column slice_mm: '300' is not a distance between slices"),
        ({"exam_id": "1,2E+11"}, "a spreadsheet has made a rounded number"),
    ],
)
def test_a_fault_in_a_row_is_named(home, cells, message):
    with pytest.raises(ValueError, match=message):
        read_masks(put_table(home, {"image": "a.png", "mask": "mask.png"} | cells))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"exam_id": "e"}, {"exam_id": "e"}, "row 3, column patient_id: one exam, two patients (see row 2)"),
        (
            {"patient_id": "p", "split": "train"},
            {"patient_id": "p", "split": "test"},
            "column split: one patient, two splits (see row 2)",
        ),
        (
            {"exam_id": "e", "patient_id": "p", "split": "train"},
            {"exam_id": "e", "patient_id": "p"},
            "row 3, column split: one exam, two values of split (see row 2)",
        ),
        ({"mask": "mask.png"}, {"mask": "mask.png"}, "column mask: the same mask for two exams (see row 2)"),
        ({"image": "a.png"}, {"image": "a.png"}, "column image: the same image in two exams (see row 2)"),
        (
            {"exam_id": "e", "patient_id": "p", "row_mm": 0.5, "column_mm": 0.5},
            {"exam_id": "e", "patient_id": "p", "row_mm": 0.6, "column_mm": 0.5},
            "one exam, two values of row_mm",
        ),
        (
            {"exam_id": "e", "patient_id": "p", "image": "c.npy"},
            {"exam_id": "e", "patient_id": "p", "image": "d.npz"},
            "one exam, two volumes",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_named(home, first, second, message):
    one, two = {"image": "a.png", "mask": "mask.png"}, {"image": "b.png", "mask": "mask2.png"}
    assert message in refused(home, one | first, two | second)


def test_all_faults_come_at_once(home):
    said = refused(home, {"image": "a.png", "mask": ""}, {"image": "gone.png", "mask": "mask.png"})
    assert "2 faults" in said
    assert "row 2, column mask" in said
    assert "row 3, column image" in said


def test_an_unknown_column_and_an_empty_table_are_refused(home):
    assert "unknown column colour" in refused(home, {"image": "a.png", "mask": "mask.png", "colour": "red"})
    (home / "empty.csv").write_text("image,exam_id,patient_id\n")
    with pytest.raises(ValueError, match="there are no rows"):
        read_masks(home / "empty.csv")
    (home / "bare.csv").write_text("image,mask,patient_id\na.png,mask.png,p\n")
    with pytest.raises(ValueError, match="no column exam_id"):
        read_masks(home / "bare.csv")


SPAN = st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda pair: (pair[0], sum(pair)))
MM = st.floats(0.1, 4.5).map(lambda value: round(value, 3))
NAME = (
    st.text("abcdéü0123456789-_ ", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda text: any(letter in "bcéü" for letter in text) and text[0] not in "-")
)


@st.composite
def rows(draw: st.DrawFn, home: Path) -> list[MaskRow]:
    """Rows of several exams that don't contradict each other."""
    found = []
    for number, name in enumerate(draw(st.lists(NAME, min_size=1, max_size=3, unique=True))):
        image = home / ("a.png", "c.npy", "series")[number]
        spacing = draw(st.one_of(st.none(), st.tuples(MM, MM, MM)))
        mask = draw(st.one_of(st.none(), st.just(home / ("mask.png", "mask.npz", "mask2.png")[number])))
        box = None if mask else (draw(SPAN), draw(SPAN), draw(SPAN))
        volume = image.suffix != ".png"
        found.append(
            MaskRow(
                exam_id=name,
                patient_id=f"p {number}",
                image=image,
                mask=mask,
                box=box,
                structure=Shows(draw(st.sampled_from(STRUCTURES))),
                slice=draw(st.one_of(st.none(), st.integers(0, 40))),
                drawn=draw(st.sampled_from(["all", "shown", ((2, 5), (7, 8))])) if volume else "all",
                empty=mask is not None and draw(st.booleans()),
                split=draw(st.sampled_from(["train", "val", "test", ""])),
                slice_mm=spacing and spacing[0],
                row_mm=spacing and spacing[1],
                column_mm=spacing and spacing[2],
                laterality=draw(st.sampled_from(["L", "R", "unknown"])),
                series_uid=draw(st.sampled_from(["", "1.2.840.10008.1"])),
            )
        )
    return found


@given(st.data())
def test_what_is_written_is_read_again(home, data):
    written = data.draw(rows(home))
    write_masks(written, home / "written.csv")
    assert read_masks(home / "written.csv") == written
    assert (home / "written.csv").read_text().splitlines()[0].split(",") == list(COLUMNS)
    assert [len(own) for own in by_exam(written).values()] == [1] * len(written)


@settings(max_examples=40)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from((*COLUMNS, "used")), st.text(max_size=12) | st.sampled_from(["a.png", "yes", "0:9|1:2"])
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_cells_hold_rows_or_faults_come_back(home, cells):
    table = put_table(home, *({"image": "a.png", "mask": "mask.png"} | row for row in cells), name="any.csv")
    try:
        assert read_masks(table)
    except ValueError as error:
        assert "any.csv" in str(error) or "faults" in str(error)  # noqa: PT017  # both outcomes are right
