"""What the commands share: writing a bundle, one fold of a cross-validation, errors as sentences."""
