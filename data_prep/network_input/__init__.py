"""From a volume to a network input, in two steps: `coarse` needs no network, `crop` may follow a localiser.

This package doesn't import Keras, because worker processes run both steps.
"""
