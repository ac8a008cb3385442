"""Code that the commands share: writing a bundle, cross-validation and one fold of it, errors as sentences."""
