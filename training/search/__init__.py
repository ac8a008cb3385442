"""The search for hyperparameters: trials, their shared storage, and their plots."""
