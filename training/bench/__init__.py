"""What training costs: `__main__` measures, `keras_side` and `torch_side` each run the same `task` in a process."""
