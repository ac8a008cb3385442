"""From exam tables to examples and batches: checks, folds, augmented copies, cached features."""
