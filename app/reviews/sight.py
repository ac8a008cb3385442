"""What a reader may see before and after the first review of a prediction, as the settings want it."""

from collections.abc import Sequence
from typing import NamedTuple

from app.contract.reviews import Opinion, Review
from app.service.settings import Settings


class Sight(NamedTuple):
    """What one reader sees of a prediction.

    Attributes:
        reviews: The reviews that the reader may see.
        withheld: How many aren't shown.
        opinion: Whether pages show the model's opinion.
    """

    reviews: list[Review]
    withheld: int
    opinion: Opinion


def sight(settings: Settings, reader: str, reviews: Sequence[Review]) -> Sight:
    """What a reader sees.

    Args:
        settings: The settings.
        reader: The reader, as reviews name readers.
        reviews: All reviews of the prediction.
    """
    own = [review for review in reviews if review.reader == reader]
    seen = list(reviews) if own or settings.hide_reviews == "no" else own
    opinion: Opinion = "shown" if own or settings.hide_opinion == "no" else "hidden"
    return Sight(seen, len(reviews) - len(seen), opinion)
