"""The DICOM results of answers on their way: stored beside the study, and sent to other systems by STOW-RS."""
