"""The HTTP service: one study in, one answer with pictures out. Imports models and data_prep, never training."""
