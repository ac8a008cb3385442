"""The structures that a mask can show, and the other words that people write for them."""

from data_prep.tables.cells import words_key

STRUCTURES = ("acl", "pcl", "femur", "tibia", "patella", "fibula", "menisci", "cartilage")
# Other words for them, as `words_key` writes words.
WORDS = {
    "anterior cruciate ligament": "acl",
    "posterior cruciate ligament": "pcl",
    "meniscus": "menisci",
    "ligament": "acl",
}


def structure_named(text: str) -> str | None:
    """The structure that a text names, such as "ACL" or "Anterior cruciate ligament"; None if it names none."""
    words = words_key(text)
    named = WORDS.get(words, words)
    return named if named in STRUCTURES else None
