"""The service and the commands around it. Never imports `training`."""

# The one place that has it: pyproject.toml reads it from here.
VERSION = "0.1.0"
