import pytest
import tensorflow

from tests import warm
from training.fitting.backend import EventFile, out_of_memory, spread_over


def test_every_way_of_running_out_of_memory_is_known():
    exhausted = tensorflow.errors.ResourceExhaustedError(None, None, "failed to allocate memory")
    for error in (MemoryError(), exhausted, RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes")):
        assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("INTERNAL: no such device"))


def test_more_devices_than_there_are_is_one_sentence():
    with pytest.raises(ValueError, match="--devices 64: this machine has"), spread_over(64):
        pass


TWO_DEVICES = """
import keras, numpy, tensorflow
from training.fitting.backend import spread_over

cpu, = tensorflow.config.list_physical_devices("CPU")
tensorflow.config.set_logical_device_configuration(cpu, [tensorflow.config.LogicalDeviceConfiguration()] * 2)
random = numpy.random.default_rng(0)
pixels, truth = random.random((8, 3), numpy.float32), random.random((8, 1), numpy.float32)
weights = []
for devices in (1, 2):
    with spread_over(devices):
        network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
        network.compile("sgd", "mse")
        network.fit(pixels, truth, batch_size=4, epochs=3, shuffle=False, verbose=0)
        replicas = len(getattr(network.trainable_variables[0].value, "values", [0]))
        assert replicas == devices, replicas
    weights.append(network.get_weights()[0])
numpy.testing.assert_allclose(*weights, rtol=1e-5)
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_does():
    result = warm.run("-c", TWO_DEVICES)
    assert result.returncode == 0, result.stderr


def test_an_event_file_holds_numbers_and_pictures(tmp_path):
    events = EventFile(tmp_path)
    events.write(3, {"loss": 0.5}, {"heatmap": b"a picture"})
    (path,) = tmp_path.iterdir()
    values = {}
    for record in tensorflow.data.TFRecordDataset(str(path)):
        event = tensorflow.compat.v1.Event.FromString(record.numpy())
        values |= {value.tag: (event.step, value) for value in event.summary.value}
    step, loss = values["loss"]
    assert (step, loss.simple_value) == (3, 0.5)
    assert values["heatmap"][1].image.encoded_image_string == b"a picture"
