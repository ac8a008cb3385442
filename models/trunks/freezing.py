"""Chooses which of a trunk's layers are trained."""

import keras


def check_layer(network: keras.Model, layer: str) -> None:
    """Raise ValueError if `train_from` doesn't accept the layer."""
    names = [each.name for each in network.layers]
    if layer not in ("", "none", *names):
        raise ValueError(f'{network.name} has no layer {layer!r}; train from "" (all), "none", or {", ".join(names)}')


def train_from(network: keras.Model, layer: str) -> None:
    """Train the named layer and all layers after it; freeze the layers before it.

    This takes effect at the next `compile`.

    A frozen BatchNormalization (ResNet50) normalises with its stored statistics, also in training. A trainable one uses
    the statistics of its batch. With one exam a step, these are the statistics of that exam's slices: the exam's own
    brightness disappears from its features, and features in training differ from those in prediction, which uses
    running means over many steps.

    Args:
        network: A trunk.
        layer: A layer's name; "" trains all layers, "none" trains no layer.

    Raises:
        ValueError: For a layer that the network doesn't have.
    """
    check_layer(network, layer)
    frozen = network.layers if layer == "none" else []
    if layer in [each.name for each in network.layers]:
        frozen = keras.Model(network.inputs, network.get_layer(layer).input).layers
    for each in network.layers:
        each.trainable = each not in frozen


def cut_in_two(network: keras.Model, layer: str) -> tuple[keras.Model, keras.Model]:
    """Cut a trunk before a layer. The two parts share the trunk's weights.

    Args:
        network: A trunk.
        layer: A layer's name. With "none", the lower part is the whole network, and the upper part changes nothing.

    Returns:
        The part before the layer, and the part from the layer on.

    Raises:
        ValueError: For a layer that the network doesn't have, and if another path goes around the layer.
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
