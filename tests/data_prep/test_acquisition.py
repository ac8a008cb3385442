"""Headers to facts: fat suppression in all the ways vendors write it."""

import pytest

from data_prep.acquisition import fat_suppressed, fluid_sensitive
from data_prep.header import Header


def header(**values) -> Header:
    return Header({name: value if isinstance(value, tuple) else (value,) for name, value in values.items()})


@pytest.mark.parametrize(
    "values",
    [
        {"ScanOptions": ("PFP", "FS")},
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
        {"ScanningSequence": "IR", "InversionTime": 2200.0, "ProtocolName": "flair"},
    ],
)
def test_not_fat_suppressed(values):
    assert fat_suppressed(header(**values)) is False


def test_silent_headers_leave_fat_suppression_unknown():
    assert fat_suppressed(header(ScanningSequence="SE", EchoTime=30.0)) is None


def test_long_repetition_is_fluid_sensitive():
    answers = [
        fluid_sensitive(header(**values)) for values in ({"RepetitionTime": 3000.0}, {"RepetitionTime": 600.0}, {})
    ]
    assert answers == [True, False, None]
