"""Segmentation before classification: finds the ligament, so that the crop can be centred on it."""
