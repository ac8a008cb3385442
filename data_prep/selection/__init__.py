"""Which frames make the volume to predict on: stacks, series, kinds of images, the knee and its side."""
