"""DICOM, volumes, labels and exams. Never imports Keras, so it starts in a fraction of a second."""
