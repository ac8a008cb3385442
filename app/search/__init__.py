"""Searches of what the service holds, for QIDO-RS and C-FIND: from keys to rows, in SQL."""
