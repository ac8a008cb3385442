"""From a volume to what a network is given, in two steps: `coarse` needs no network, `crop` may follow a localiser.

No Keras here: worker processes do both.
"""
