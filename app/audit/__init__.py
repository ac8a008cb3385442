"""The audit trail: who did what with which result, one line of JSON for each act (`python -m app.audit verify`)."""

from app.audit.trail import Who, account, record, tells

__all__ = ["Who", "account", "record", "tells"]
