"""Whether headers say that another part of the body is shown than a knee.

BodyPartExamined is often wrong: in 15 % of images of one clinic (Gueld 2002, "Quality of DICOM header information for
image categorization"). So a knee that is named anywhere counts more than any other part, and headers alone refuse
nothing.
"""

from data_prep.header import Header
from data_prep.wording import WORDS, plain, says

OTHER_BODY_PART = "other-body-part"  # the notice's code
READ = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
# Up to two words before these are of a coil or of the patient's position ("foot ankle coil", "feet first").
BESIDE = frozenset({"coil", "coils", "first", "array", "spule", "matrix", "antenne", "bobina", "flex", "spool"})


def other_body_parts(header: Header) -> tuple[str, ...]:
    """In English, those that headers name; none if they name a knee anywhere."""
    texts = [plain(text) for keyword in READ for text in header.texts(keyword)]
    if any(says(text, "body_part", "knee") for text in texts):
        return ()
    parts = (part for part in WORDS["body_part"]["other"] if any(_named(text, part) for text in texts))
    return tuple(part.replace("_", " ") for part in parts)


def _named(text: str, part: str) -> bool:
    words = text.split()
    shown = [word for place, word in enumerate(words) if not {*words[place + 1 : place + 3]} & BESIDE]
    return says(f" {' '.join(shown)} ", "body_part", "other", part)
