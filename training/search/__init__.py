"""The search for hyperparameters: trials, their shared storage, and plots of them."""
