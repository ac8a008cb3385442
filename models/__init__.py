"""Networks, heatmaps, calibration and bundles. Never imports Flask or `training`."""
