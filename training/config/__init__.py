"""The settings of a run: presets, search spaces, the published experiments, and the machine that it runs on."""
