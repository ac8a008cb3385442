"""Headers to facts: fat suppression in all the ways vendors write it."""

import pytest

from data_prep.dicom.header import Header
from data_prep.selection.acquisition import fat_suppressed, fluid_sensitive


def header(**values) -> Header:
    return Header({name: value if isinstance(value, tuple) else (value,) for name, value in values.items()})


@pytest.mark.parametrize(
    "values",
    [
        {"ScanOptions": ("PFP", "FS")},
        {"ScanOptions": ("FAST_GEMS", "FATSAT_GEMS")},
        {"ScanOptions": "WATER_EXC"},
        {"SpectrallySelectedExcitation": "WATER"},
        {"AcquisitionContrast": "STIR"},
        {"ProtocolName": "pd_tse_fs_sag", "SeriesDescription": "SAG PD"},
        {"SeriesDescription": "SAG PD FS ohne KM", "InversionTime": 0.0},
        {"SpectrallySelectedSuppression": "FAT"},
        {"ScanningSequence": ("IR", "SE"), "InversionTime": 160.0},
        {"InversionRecovery": "YES", "InversionTime": 220.0},
        {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "WATER")},
        {"SeriesDescription": "SAG PD FS"},
        {"SeriesDescription": "pd_tse_fs_sag_384"},
        {"SeriesDescription": "T2FS sag"},
        {"SeriesDescription": "Sag PDW_SPAIR"},
        {"ProtocolName": "SAG T2 FAT-SAT"},
        {"ProtocolName": "stir_sag"},
        {"SequenceName": "t1_fl3d_we"},
        {"SeriesDescription": "non-FS", "ScanOptions": "FS"},
    ],
)
def test_fat_suppressed(values):
    assert fat_suppressed(header(**values)) is True


@pytest.mark.parametrize(
    "values",
    [
        {"ScanOptions": ("FAST_GEMS", "ACC_GEMS")},
        {"SeriesDescription": "SAG PD"},
        {"SeriesDescription": "sag pd non-fs"},
        {"SeriesDescription": "PD SAG no FS"},
        {"SeriesDescription": "offset test"},
        {"SpectrallySelectedSuppression": "NONE"},
        {"ScanOptions": ("SAT_GEMS", "FAST_GEMS")},
        {"SeriesDescription": "PD w/o FS", "ProtocolName": "pd_fs"},
        {"SeriesDescription": "TIRM dark fluid", "InversionTime": 2500.0},
        {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "IN_PHASE"), "SeriesDescription": "PD FS DIXON"},
        {"ScanningSequence": "IR", "InversionTime": 2200.0, "ProtocolName": "flair"},
    ],
)
def test_not_fat_suppressed(values):
    assert fat_suppressed(header(**values)) is False


def test_silent_headers_leave_fat_suppression_unknown():
    assert fat_suppressed(header(ScanningSequence="SE", EchoTime=30.0)) is None


@pytest.mark.parametrize(
    "values",
    [{"SeriesDescription": "PD mDIXON"}, {"SeriesDescription": "PD with and without FS"}, {"ImageType": "DIXON"}],
)
def test_contradictions_leave_fat_suppression_unknown(values):
    assert fat_suppressed(header(**values)) is None


GRE = {"ScanningSequence": "GR", "RepetitionTime": 20.0}


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"RepetitionTime": 1200.0, "SeriesDescription": "SAG T1 TSE"}, False),
        ({"RepetitionTime": 900.0, "SeriesDescription": "SAG PD SPACE"}, None),
        ({"RepetitionTime": 5000.0, "ScanningSequence": "IR", "InversionTime": 2300.0}, False),
        ({"RepetitionTime": 5000.0, "ScanningSequence": "IR", "InversionTime": 160.0}, True),
        (GRE | {"EchoTime": 6.0}, None),
        (GRE | {"EchoTime": 3.0}, False),
        (GRE | {"EchoTime": 3.0, "SeriesDescription": "sag TrueFISP"}, True),
        (GRE | {"EchoTime": 6.0, "SeriesDescription": "3D DESS"}, True),
        (GRE | {"EchoTime": 6.0, "SeriesDescription": "T1 FLASH"}, False),
        ({"EchoTime": 80.0}, True),
        ({"EchoTime": 12.0}, None),
        ({"EchoTime": 12.0, "SeriesDescription": "T1 sag"}, False),
        ({"AcquisitionContrast": "PROTON_DENSITY"}, True),
        ({"AcquisitionContrast": "T1"}, False),
        ({"EchoPulseSequence": "GRADIENT", "RepetitionTime": 15.0, "AcquisitionContrast": "T2_STAR"}, True),
    ],
)
def test_weighting_by_more_than_repetition(values, answer):
    assert fluid_sensitive(header(**values)) is answer


def test_long_repetition_is_fluid_sensitive():
    answers = [
        fluid_sensitive(header(**values)) for values in ({"RepetitionTime": 3000.0}, {"RepetitionTime": 600.0}, {})
    ]
    assert answers == [True, False, None]
