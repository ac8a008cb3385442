"""What a run is told: presets, search spaces, the published experiments, and the machine that it runs on."""
