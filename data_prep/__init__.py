"""DICOM, volumes, labels and exams. It never imports Keras, so it starts in a fraction of a second."""
