"""Synthetic knees: sagittal proton-density fat-suppressed studies with known truth, the same bytes for the same seed.

`generate` makes one knee, `write` its DICOM files and truth, `python -m data_prep.phantom` a whole cohort.
"""

from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import Phantom, generate

__all__ = ["Phantom", "generate", "write"]
