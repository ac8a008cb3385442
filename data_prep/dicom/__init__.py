"""Reading DICOM: files from folders and zips, headers, frames and pixels."""
