"""Importers: they make an exam table from a published data set or a user's own. One module for each source.

`label_table` says what each source's labels mean.
"""

from data_prep.importers import dicom_folder, kneemri, mrnet, phantom_cohort, rsna2026
from data_prep.importers.found import Importer

IMPORTERS: dict[str, Importer] = {
    "mrnet": mrnet,
    "kneemri": kneemri,
    "rsna2026": rsna2026,
    "dicom": dicom_folder,
    "phantom": phantom_cohort,
}
