"""The service and the commands around it. Never imports `training`."""
