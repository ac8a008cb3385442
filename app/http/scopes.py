"""Which scope each request needs. docs/security.md has the same table for people."""

from app.store.keys import Scope

# By method and the rule of the route. Whatever isn't listed needs `read` for GET and HEAD, otherwise `admin`.
NEEDED: dict[tuple[str, str], Scope | None] = {
    ("GET", "/v1/models"): None,
    ("GET", "/v1/models/<name>/model-card.md"): None,
    ("POST", "/v1/predictions"): "predict",
    ("POST", "/v1/predictions/<id>/reviews"): "review",
    ("POST", "/v1/worklist/synthetic"): "predict",
    ("POST", "/dicom-web/studies"): "store",
    ("POST", "/dicom-web/studies/<study>"): "store",
}


def needed(method: str, rule: str) -> Scope | None:
    """The scope that a request needs; None: any key is enough."""
    reads = method in ("GET", "HEAD")
    return NEEDED.get(("GET" if reads else method, rule), "read" if reads else "admin")
