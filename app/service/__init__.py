"""The running service: what the operator sets, and the parts that requests share."""
