"""Grad-CAM (Selvaraju 2017, arXiv:1610.02391) for each slice, on one common scale: maps of heads that aren't linear."""

import numpy as np

from data_prep.volume import FloatArray
from models.explain.method import Explainable, Explanation


class GradCam:
    """Shows where the features lie that raise each logit. Maps are never below zero; they don't add up to the logit."""

    name = "grad-cam"
    exact = False

    def explain(self, classifier: Explainable, slices: FloatArray, features: FloatArray) -> Explanation:
        logits = classifier.logits(features)
        return Explanation(logits, gradcam_maps(features, classifier.slopes(features)), np.zeros_like(logits), self)


def gradcam_maps(grid: FloatArray, slopes: FloatArray) -> FloatArray:
    """Where the features lie that raise each logit; never below zero.

    Args:
        grid: Features `[S, h, w, C]`.
        slopes: Derivatives of the logits by the features' mean over space, `[K, S, C]`.

    Returns:
        Maps float32 `[K, S, h, w]`.
    """
    slices, height, width, channels = grid.shape
    # Equation 1: a mean's derivative is the same in each cell, so the mean over cells is the derivative in one.
    weights = np.moveaxis(slopes, 0, -1) / (height * width)
    # Equation 2.
    maps = np.maximum(grid.reshape(slices, height * width, channels) @ weights, 0)
    return np.asarray(np.moveaxis(maps, -1, 0).reshape(-1, slices, height, width), np.float32)
