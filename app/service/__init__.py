"""The running service: the operator's settings, and the parts that requests share."""
