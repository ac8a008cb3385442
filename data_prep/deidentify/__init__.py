"""De-identification of DICOM files by the basic profile of PS3.15 annex E."""
