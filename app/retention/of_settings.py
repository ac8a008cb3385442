"""Retention as the operator's settings want it, for the service and for the command."""

from collections.abc import Iterable

from app.retention.policy import Limit
from app.retention.sweep import Kind, Sweep
from app.service.settings import Settings

DAY_S, MB = 86_400.0, 1_000_000


def limit_of(settings: Settings, name: str) -> Limit:
    """The limit of a kind of things."""
    days, mb = (getattr(settings, f"keep_{name}_{unit}") for unit in ("days", "mb"))
    return Limit(None if days is None else days * DAY_S, None if mb is None else int(mb * MB))


def sweep_of(settings: Settings, kinds: Iterable[Kind], user: str | None = None) -> Sweep:
    """A sweep with the limits of the settings."""
    kinds = tuple(kinds)
    limits = {kind.name: limit for kind in kinds if any(limit := limit_of(settings, kind.name))}
    return Sweep(kinds, limits, settings.data, user)
