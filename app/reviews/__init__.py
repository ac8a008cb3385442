"""What readers say of predictions: kept with its history, compared, and exported for training."""
