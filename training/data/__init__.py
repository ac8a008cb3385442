"""From exam tables to examples and batches: checks, folds, augmented copies, frozen features."""
