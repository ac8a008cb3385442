"""DICOMweb (PS3.18) for what the service holds: store (STOW-RS), search (QIDO-RS), retrieve (WADO-RS), delete."""
