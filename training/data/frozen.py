"""Learning on what a trunk's frozen part makes of each exam, computed once and kept: an epoch costs what learns.

The features are float32, so that a run ends with the weights of one that computes them anew. Disk: `4 S h w C` bytes
an exam; VGG16 before block5_conv3 at 112 x 112 and 13 slices: 1.3 MB.
"""

from dataclasses import replace

import keras
import numpy as np

from data_prep.prepare.cache import CachedInputs
from data_prep.volume import FloatArray
from models.routes.finetuned import FineTuned
from models.routes.network import UpperNetwork
from models.trunks import cut_in_two
from training.config.place import Place
from training.data.examples import Examples
from training.data.features import cached_frozen


class FrozenFeatures:
    """A classifier cut in two before the first layer that learns, and the folder of the lower part's answers."""

    def __init__(self, classifier: FineTuned, trainable_from: str, place: Place) -> None:
        below, above = cut_in_two(classifier.network.trunk, trainable_from)
        self.classifier, self.below, self.above = classifier, below, above
        # The cut counts where everything is frozen: pooling has no weights to tell trunks apart by.
        self.what = repr((classifier.trunk.name, classifier.trunk.cut, trainable_from, below.output.dtype))
        self.folder = place.inputs / "grids"

    def network(self) -> UpperNetwork:
        """What is to be trained; its weights are the classifier's."""
        return UpperNetwork(self.classifier.network, self.above)

    def of(self, examples: Examples) -> Examples:
        """The same exams, `[S, h, w, C]` instead of slices."""
        if not isinstance(examples.inputs, CachedInputs):
            raise TypeError("grids are cached by the names of network inputs: make the examples with `prepare`")
        return replace(examples, inputs=cached_frozen(self.below, self.what, examples.inputs, self.folder))

    def logits(self, examples: Examples) -> FloatArray:
        """`[N, K]` of prepared exams."""
        grids = self.of(examples).inputs
        answers = [self.classifier.logits(keras.ops.convert_to_numpy(self.above(np.asarray(grid)))) for grid in grids]
        return np.stack(answers)
