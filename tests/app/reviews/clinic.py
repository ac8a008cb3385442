"""A service with one answered study, and readers with keys."""

from app.contract.schemas import SliceMask
from app.service.parts import EXTENSION
from app.store.keys import create
from tests.app.studies import study_zip

AGREES = {"verdict": "agree", "seconds": 12.5}
TORN = {
    "verdict": "grade",
    "grade": "complete rupture",
    "laterality": "L",
    "comment": "<b>Ärzte</b> & co",
    "box": [[4, 6], [10, 30], [20, 40]],
    "seconds": 61.25,
    "opinion": "hidden",
    "mask": [{"slice": 5, "runs": [800, 10, 880, 12]}],
}
# The mask of `TORN`.
DRAWN = [SliceMask(slice=5, runs=[800, 10, 880, 12])]


class Clinic:
    """A service with a study that one bundle, the binary or the four-class one, has predicted on.

    Attributes:
        answer: The answer.
        place: Where its reviews are.
    """

    def __init__(self, make_app, bundle: str = "four", **settings) -> None:
        self.app = make_app(**settings)
        self.service, self.client = self.app.extensions[EXTENSION], self.app.test_client()
        scopes = {
            "ann": ["read", "review"],
            "ben": ["read", "review"],
            "admin": ["predict", "admin"],
            "viewer": ["read"],
        }
        self.keys = {name: create(self.service.database, name, allowed, None) for name, allowed in scopes.items()}
        self.answer = self.predict(bundle)
        self.place = f"/v1/predictions/{self.answer['id']}/reviews"

    def predict(self, bundle: str, study: bytes = b"") -> dict:
        """The answer about a study."""
        body, headers = study or study_zip(), self.of("admin") | {"Content-Type": "application/zip"}
        sent = self.client.post(f"/v1/predictions?bundle={bundle}", data=body, headers=headers)
        assert sent.status_code in (200, 201), sent.text
        return sent.json

    def of(self, name: str) -> dict[str, str]:
        """The headers that a reader's program sends."""
        return {"X-API-Key": self.keys[name]}

    def give(self, name: str, review: dict, place: str = "", **headers: str):
        """Send a review."""
        return self.client.post(place or self.place, json=review, headers=self.of(name) | headers)

    def seen(self, name: str, place: str = "") -> dict:
        """What a reader sees of the reviews, or of one."""
        return self.client.get(self.place + place, headers=self.of(name)).json
