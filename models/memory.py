"""Too little memory for a network, as one exception. Each of Keras' backends has its own."""

from collections.abc import Iterator
from contextlib import contextmanager

# The status that TensorFlow and XLA (JAX) name, and what drivers of GPUs say.
OUT_OF_MEMORY = ("resource_exhausted", "resource exhausted", "out of memory", "out_of_memory", "oom when allocating")
# TensorFlow's exception, and JAX's under its former and present name.
BACKENDS_ERRORS = frozenset({"OpError", "XlaRuntimeError", "JaxRuntimeError"})


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise MemoryError in place of the backend's own exception for too little memory."""
    try:
        yield
    except Exception as error:
        if _is_of_a_backend(error) and any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise MemoryError("too little memory for the network") from None
        raise


def _is_of_a_backend(error: Exception) -> bool:
    return any(kind.__name__ in BACKENDS_ERRORS for kind in type(error).__mro__)
