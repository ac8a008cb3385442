"""Folders whose files are verified when they are loaded: what bundles of classifiers and segmenters share."""
