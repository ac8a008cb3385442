"""Studies of several series, and which one of them is taken."""

from pydicom.dataset import Dataset

from data_prep.selection.series import Selection, load_study
from tests.data_prep.dicom_factory import make_series, named

T1 = {"RepetitionTime": 600, "EchoTime": 12, "ScanOptions": "PFP", "SeriesDescription": "SAG T1"}

PD_FS = {"RepetitionTime": 3000, "EchoTime": 35, "SeriesDescription": "SAG PD FS"}


def load(*series: list[Dataset]) -> Selection:
    return load_study(named(image for images in series for image in images))


def taken(**series: dict) -> str:
    """The name of the series that is predicted on; the order of names is that of their UIDs."""
    made = [make_series(series=place, **{"slices": 8, **values}) for place, values in enumerate(series.values(), 1)]
    chosen = load(*made)
    assert len(chosen.passed_over) >= len(series) - 1
    return list(series)[int(chosen.volume.series_uid.rsplit(".", 1)[1]) - 1]


def notices(selection: Selection) -> dict[str, str]:
    return {notice.code: notice.message for notice in selection.volume.notices}
