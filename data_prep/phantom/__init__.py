"""Synthetic knees: sagittal proton-density fat-suppressed studies with known truth. The same seed gives the same bytes.

`generate` makes one knee, `write` writes its DICOM files and truth, `python -m data_prep.phantom` makes a whole cohort.
"""

from data_prep.phantom.dicom_out import write
from data_prep.phantom.knee import Phantom, generate

__all__ = ["Phantom", "generate", "write"]
