"""What the DIMSE listener and deliveries share: addresses of DICOM systems, TLS, and associations that we request."""
