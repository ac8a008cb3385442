"""Which of a trunk's layers are trained."""

import keras


def check_layer(network: keras.Model, layer: str) -> None:
    """ValueError for a layer from which `train_from` can't train."""
    names = [each.name for each in network.layers]
    if layer not in ("", "none", *names):
        raise ValueError(f'{network.name} has no layer {layer!r}; train from "" (all), "none", or {", ".join(names)}')


def train_from(network: keras.Model, layer: str) -> None:
    """Train the named layer and what comes after it; freeze what it computes from. "" trains all, "none" nothing.

    Takes effect at the next `compile`. Raises ValueError for a layer that the network doesn't have.

    Frozen BatchNormalization (ResNet50) normalises with its stored statistics, in training too. A trainable one uses
    those of its batch: at one exam a step, that exam's slices alone, so that the exam's own brightness vanishes from
    its features and training sees other features than prediction, which uses running means over many steps.
    """
    check_layer(network, layer)
    frozen = network.layers if layer == "none" else []
    if layer in [each.name for each in network.layers]:
        frozen = keras.Model(network.inputs, network.get_layer(layer).input).layers
    for each in network.layers:
        each.trainable = each not in frozen


def cut_in_two(network: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """What comes before the named layer and the layer with what comes after it; weights are shared.

    "none": the whole network, and one that passes its grid on. Raises ValueError for a layer that the network doesn't
    have, and where another path goes around the layer.
    """
    if layer == "none":
        grid = keras.Input(network.output_shape[1:])
        return network, keras.Model(grid, keras.layers.Identity()(grid))
    if layer not in [each.name for each in network.layers]:
        raise ValueError(f"{network.name} has no layer {layer!r}")
    between = network.get_layer(layer).input
    try:
        return keras.Model(network.input, between), keras.Model(between, network.output)
    except ValueError:
        raise ValueError(f"{network.name} can't be cut in two before {layer!r}: another path goes around it") from None
