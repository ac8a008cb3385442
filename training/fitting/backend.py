"""What differs between Keras' backends. No other module of `training` imports TensorFlow or JAX."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras


def fix_arithmetic() -> None:
    """Make arithmetic deterministic; JAX on a CPU always is."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


@contextmanager
def spread_over(devices: int) -> Iterator[None]:
    """Networks made and compiled inside share each batch among several GPUs (or CPUs, if there is no GPU).

    Args:
        devices: how many; 1 changes nothing.

    Raises:
        ValueError: if this machine has fewer.
    """
    names = keras.distribution.list_devices() if keras.backend.backend() == "jax" else _tensorflow_devices()
    if devices > len(names):
        raise ValueError(f"--devices {devices}: this machine has {len(names)}")
    if devices == 1:
        yield
    elif keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names[:devices]))
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        import tensorflow

        with tensorflow.distribute.MirroredStrategy(names[:devices]).scope():
            yield


def _tensorflow_devices() -> list[str]:
    import tensorflow

    gpus = tensorflow.config.list_logical_devices("GPU")
    return [device.name for device in gpus or tensorflow.config.list_logical_devices("CPU")]


def out_of_memory(error: Exception) -> bool:
    """Whether Python, TensorFlow or JAX report with this error that memory ran out."""
    return isinstance(error, MemoryError) or any(
        word in f"{type(error).__name__} {error}" for word in ("ResourceExhausted", "RESOURCE_EXHAUSTED")
    )


class EventFile:
    """A TensorBoard log. TensorFlow writes it with every backend; to view it, the package `tensorboard` is needed."""

    def __init__(self, folder: Path) -> None:
        import tensorflow

        self._tensorflow = tensorflow
        self._writer = tensorflow.summary.create_file_writer(str(folder))

    def write(self, step: int, scalars: dict[str, float], pictures: dict[str, bytes]) -> None:
        """Write numbers and PNG pictures of one step; they are on disk when this returns."""
        summary = self._tensorflow.compat.v1.Summary
        values = [summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        for tag, png in pictures.items():
            values.append(summary.Value(tag=tag, image=summary.Image(encoded_image_string=png)))
        with self._writer.as_default():
            self._tensorflow.summary.experimental.write_raw_pb(summary(value=values).SerializeToString(), step=step)
        self._writer.flush()
