"""Data sets from elsewhere as exam tables: one module for each kind, and the table of what their labels mean."""

from data_prep.importers import dicom_folder, kneemri, mrnet, phantom_cohort, rsna2026
from data_prep.importers.found import Importer

IMPORTERS: dict[str, Importer] = {
    "mrnet": mrnet,
    "kneemri": kneemri,
    "rsna2026": rsna2026,
    "dicom": dicom_folder,
    "phantom": phantom_cohort,
}
