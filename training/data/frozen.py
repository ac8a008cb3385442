"""Learning on frozen features, which are computed once and kept: an epoch computes only the layers that learn.

The features are float32, so the trained weights are the same as without the cache. An exam takes `4 S h w C` bytes on
disk: 1.3 MB for VGG16 before block5_conv3 at 112 x 112 and 13 slices.
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
    """A classifier cut in two before the first layer that learns, and the folder of its frozen features."""

    def __init__(self, classifier: FineTuned, trainable_from: str, place: Place) -> None:
        below, above = cut_in_two(classifier.network.trunk, trainable_from)
        self.classifier, self.below, self.above = classifier, below, above
        # The cut is included because pooling layers have no weights: without it, two cuts could have the same digest.
        self.what = repr((classifier.trunk.name, classifier.trunk.cut, trainable_from, below.output.dtype))
        self.folder = place.inputs / "frozen"

    def network(self) -> UpperNetwork:
        """The part to be trained; it shares its weights with the classifier."""
        return UpperNetwork(self.classifier.network, self.above)

    def of(self, examples: Examples) -> Examples:
        """The same exams with frozen features `[S, h, w, C]` instead of slices."""
        if not isinstance(examples.inputs, CachedInputs):
            raise TypeError(
                "frozen features are cached by the names of network inputs: make the examples with `prepare`"
            )
        return replace(examples, inputs=cached_frozen(self.below, self.what, examples.inputs, self.folder))

    def logits(self, examples: Examples) -> FloatArray:
        """`[N, K]` of exams with network inputs."""
        frozen = self.of(examples).inputs
        logits = [self.classifier.logits(keras.ops.convert_to_numpy(self.above(np.asarray(exam)))) for exam in frozen]
        return np.stack(logits)
