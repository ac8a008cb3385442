"""Computes where on the slices a trunk's features lie (Araujo 2019, doi:10.23915/distill.00021)."""

import keras

Span = tuple[float, float]


def grid_span(network: keras.Model) -> tuple[Span, Span]:
    """Where the grid of features lies on the slices.

    A cell is centred on its receptive field. Where a kernel isn't compensated by padding, the outermost cells lie
    further inside than with an even division of the slice, so the grid may cover less than the slice. Branches that
    meet again have the same centres in every trunk here; only the first branch is followed.

    Args:
        network: A trunk.

    Returns:
        For rows and for columns: the first and the last edge of the grid's cells, as fractions of the slice.
    """
    path = _path(network)
    rows, columns = _span(path, 0), _span(path, 1)
    return rows, columns


def _path(network: keras.Model) -> list[keras.Layer]:
    """One way through the network, from slices to features."""
    made_by = {id(layer.output): layer for layer in network.layers}
    path = [made_by[id(network.output)]]
    while not isinstance(path[0], keras.layers.InputLayer):
        source = path[0].input
        path.insert(0, made_by[id(source[0] if isinstance(source, list) else source)])
    return path


def _span(path: list[keras.Layer], axis: int) -> Span:
    """Edges of the outermost cells, from the first cell's centre and the distance to the next, layer by layer."""
    first, step = 0.5, 1.0
    for layer in path:
        if isinstance(layer, keras.layers.ZeroPadding2D):
            first -= layer.padding[axis][0] * step
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D):
            kernel = layer.kernel_size if isinstance(layer, keras.layers.Conv2D) else layer.pool_size
            first += ((kernel[axis] - 1) / 2 - _padded_before(layer, kernel[axis], axis)) * step
            step *= layer.strides[axis]
    pixels, cells = path[0].output.shape[1 + axis], path[-1].output.shape[1 + axis]
    return (first - step / 2) / pixels, (first + (cells - 0.5) * step) / pixels


def _padded_before(layer: keras.Layer, kernel: int, axis: int) -> int:
    """Number of rows or columns that `padding="same"` adds before the first; of an odd number, one more comes after."""
    if layer.padding == "valid":
        return 0
    length, cells = layer.input.shape[1 + axis], layer.output.shape[1 + axis]
    beyond: int = (cells - 1) * layer.strides[axis] + kernel - length
    return max(beyond, 0) // 2
