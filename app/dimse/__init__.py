"""The DIMSE listener (PS3.7): receives, finds and sends instances, for listed peers; a file for each service."""
