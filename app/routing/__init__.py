"""Which studies are predicted on by which bundle, which are ignored, and where their results go (docs/connect.md)."""
