"""Studies with all that headers can hold, listed in a database without any file, and what is asked of them."""

import random
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR

from app.store.database import Database, Instance
from app.store.index.entries import only
from app.store.index.keys import INSTANCE, OF_REQUEST, PATIENT_AND_STUDY, REQUEST, SERIES, Level, keys_for
from app.store.index.renewal import enter
from tests.app.search import oracle
from tests.app.search.oracle import tag

# Letters that databases fold, order or take for wild cards in their own ways.
LETTERS = [*"aAbBzZ01 ^-_%!'\"[]{}\\=.,*?", *"éÉßẞİıiIσΣЖж山田ｱ", "e\u0301", "😀"]
CODES = ("MR", "SR", "OT", "CT", "mr", "M_", "M%")
SEARCHED = (*PATIENT_AND_STUDY, *SERIES, *INSTANCE)


@dataclass
class Held:
    """A database, and the same objects as DICOM JSON: UIDs of study, series and instance, then attributes."""

    database: Database
    objects: dict[Level, list[tuple[tuple[str, ...], dict]]] = field(default_factory=dict)


def text(rng: random.Random, most: int = 8) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, most)))


def _value(rng: random.Random, keyword: str) -> list:
    vr = dictionary_VR(keyword)
    if vr == "PN":
        names = {one: text(rng) for one in oracle.REPRESENTATIONS if rng.random() < 0.6}
        return [names] if names else [None]
    if vr == "DA":
        return [rng.choice(("20260101", "20260102", "20261231", "19991231", "2026.01.01", "2026"))]
    if vr == "TM":
        return [rng.choice(("10", "1015", "101530", "101530.25", "235959.999999", "10:15:30"))]
    if vr in ("IS", "US"):
        return [rng.choice((0, 1, 2, 12, 96, -3))]
    if vr == "CS":
        return [rng.choice((*CODES, None)) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    values = [text(rng) for _ in range(1 if keyword in OF_REQUEST else rng.choice((1, 1, 1, 2)))]
    return [value or None for value in values]


def _element(rng: random.Random, keyword: str) -> dict:
    if keyword == REQUEST:
        items = [
            {tag(one): _element(rng, one) for one in OF_REQUEST if rng.random() < 0.8}
            for _ in range(rng.choice((1, 2)))
        ]
        return {"vr": "SQ", "Value": items}
    vr = dictionary_VR(keyword)
    return {"vr": vr} if rng.random() < 0.2 else {"vr": vr, "Value": _value(rng, keyword)}


def _attributes(rng: random.Random, study: str, series: str, sop: str) -> dict:
    found = {tag(one): _element(rng, one) for one in SEARCHED if not one.endswith("UID") and rng.random() < 0.8}
    uids = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "SOPInstanceUID": sop,
        "SOPClassUID": f"1.{rng.randint(1, 3)}",
    }
    return found | {tag(one): {"vr": "UI", "Value": [uid]} for one, uid in uids.items()}


def fill(database: Database, seed: int, studies: int = 40) -> Held:
    """Make studies of a few series and instances, and list them."""
    rng, held = random.Random(seed), Held(database, {level: [] for level in Level})
    for number in range(studies):
        study = f"2.25.{number + 1}"
        rows = [
            _row(rng, study, f"{study}.{one}", f"{study}.{one}.{instance}", ours=one == 3)
            for one in range(1, rng.randint(2, 4))
            for instance in range(1, rng.randint(2, 4))
        ]
        with database.write() as session:
            session.add_all(rows)
            enter(session, study, [row.sop_uid for row in rows])
        _list(held, study, rows)
    return held


def _row(rng: random.Random, study: str, series: str, sop: str, ours: bool) -> Instance:
    attributes = _attributes(rng, study, series, sop)
    return Instance(
        sop_uid=sop,
        study_uid=study,
        series_uid=series,
        digest="d",
        size=1,
        attributes=attributes,
        ours=ours,
        stored=1e9,
    )


def _list(held: Held, study: str, rows: list[Instance]) -> None:
    examples = {
        series: min(row.sop_uid for row in rows if row.series_uid == series)
        for series in {row.series_uid for row in rows}
    }
    by_uid = {row.sop_uid: row for row in rows}
    merged = oracle.merged((uid, by_uid[sop].ours, by_uid[sop].attributes) for uid, sop in examples.items())
    held.objects[Level.STUDY].append(((study,), merged))
    held.objects[Level.SERIES] += [((study, uid), by_uid[sop].attributes | merged) for uid, sop in examples.items()]
    for row in rows:
        of_series = only(SERIES, by_uid[examples[row.series_uid]].attributes)
        attributes = only(INSTANCE, row.attributes) | of_series | merged
        held.objects[Level.INSTANCE].append(((study, row.series_uid, row.sop_uid), attributes))


def asked(rng: random.Random, held: Held, level: Level) -> dict[str, str]:
    """One to three keys, mostly near to what an object has."""
    keys = {key.name: key for key in keys_for(level)}
    _, attributes = rng.choice(held.objects[level])
    return {
        name: _asked(rng, keys[name].vr, texts_of(name, attributes))
        for name in rng.sample(sorted(keys), rng.randint(1, 3))
    }


def texts_of(name: str, attributes: dict) -> list[str]:
    sequence, _, keyword = name.rpartition(".")
    places = attributes.get(tag(sequence), {}).get("Value", ()) if sequence else [attributes]
    return [one for place in places for one in oracle._texts(keyword, place.get(tag(keyword), {}))]


def _asked(rng: random.Random, vr: str, texts: list[str]) -> str:
    known = rng.choice(texts) if texts and rng.random() < 0.9 else ""
    if vr == "DA":
        return rng.choice(("20260101", "20260101-", "-20260101", "20260102-20261231", "19990101-20260101", "*", ""))
    if vr == "TM":
        return rng.choice(("10", "1015", "101530.25", "10-1015", "1016-", "-10", "235959.999999", "00-23"))
    if vr in ("IS", "US"):
        return rng.choice((known or "7", "007", "+1", "-3", "96", "*"))
    if vr == "UI":
        return rng.choice((known, f"{known},2.25.7", "2.25.7\\2.25.8", "2.25.*", "1.1", "*"))
    if vr == "CS":
        return rng.choice((known, "MR", "MR,SR", "CT\\SR", "M*", "?R", "*T", "m?", "*"))
    return _text_asked(rng, known, "=" if vr == "PN" else "")


def _text_asked(rng: random.Random, known: str, separator: str) -> str:
    cut = rng.randint(0, len(known))
    forms = [
        *(known, known.upper(), known.lower(), known.swapcase(), f" {known} ", f"{known}^"),
        *(f"{known[:cut]}*", f"*{known[cut:]}", f"*{known[cut : cut + 2]}*", f"{known[:cut]}?{known[cut + 1 :]}"),
        *(f"{known[:1]}*{known[-1:]}", "?" * len(known), "**", text(rng), f"{text(rng, 3)}*"),
    ]
    form = rng.choice(forms)
    if separator and rng.random() < 0.4:
        return separator.join(
            rng.choice(("", "*", known, f"{known[:1]}*", text(rng, 2))) for _ in range(rng.randint(2, 3))
        )
    return form
