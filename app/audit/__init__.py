"""The audit trail: who did what with which result, one line of JSON for each act (`python -m app.audit verify`)."""

from app.audit.trail import record

__all__ = ["record"]
