"""What is due, by truths that hold for any things and any limit."""

from hypothesis import given
from hypothesis import strategies as st

from app.retention.policy import Item, Limit, due

NOW = 1_800_000_000.0
DAY_S = 86_400.0


def item(key: str, days: float, size: int = 10, in_work: bool = False, marked: bool = False) -> Item:
    """Something that was stored some days ago."""
    return Item(key, "2.25.7", NOW - days * DAY_S, size, in_work, marked)


def goes(items: list[Item], limit: Limit) -> list[tuple[str, str]]:
    return [(one.item.key, one.reason) for one in due(items, limit, NOW)]


def test_what_is_too_old_goes():
    items = [item("new", 1), item("old", 31), item("just", 30), item("older", 40)]
    assert goes(items, Limit(age_s=30 * DAY_S)) == [("older", "age"), ("old", "age")]


def test_the_oldest_go_until_the_rest_fits():
    items = [item("c", 1), item("a", 3), item("b", 2)]
    assert goes(items, Limit(size=30)) == []
    assert goes(items, Limit(size=29)) == [("a", "size")]
    assert goes(items, Limit(size=19)) == [("a", "size"), ("b", "size")]
    assert goes(items, Limit(size=0)) == [("a", "size"), ("b", "size"), ("c", "size")]


def test_what_is_too_old_makes_room_first():
    assert goes([item("a", 3), item("b", 2), item("c", 1)], Limit(age_s=2.5 * DAY_S, size=20)) == [("a", "age")]


def test_what_is_in_work_stays_and_takes_room():
    assert goes([item("a", 3, in_work=True), item("b", 2), item("c", 1)], Limit(DAY_S / 2, 15)) == [
        ("b", "age"),
        ("c", "age"),
    ]
    assert goes([item("a", 3, in_work=True), item("b", 2), item("c", 1)], Limit(size=25)) == [("b", "size")]


def test_what_was_left_half_deleted_goes():
    assert goes([item("a", 1, marked=True), item("b", 2)], Limit(age_s=5 * DAY_S)) == [("a", "unfinished")]


def test_what_lies_in_the_future_is_not_old():
    assert goes([item("a", -400)], Limit(age_s=DAY_S)) == []


THINGS = st.lists(
    st.builds(item, st.uuids().map(str), st.floats(-9, 99), st.integers(0, 1000), st.booleans()), max_size=30
)


@given(THINGS, st.none() | st.floats(0, 99 * DAY_S), st.none() | st.integers(0, 9000))
def test_what_stays_is_within_the_limit_and_nothing_goes_without_need(items, age_s, size):
    gone = due(items, Limit(age_s, size), NOW)
    went = {one.item.key for one in gone}
    stays = [one for one in items if one.key not in went]
    assert not any(one.item.in_work for one in gone)
    assert all(one.in_work or age_s is None or NOW - one.stored <= age_s for one in stays)
    if size is not None and sum(one.size for one in stays) > size:
        assert all(one.in_work for one in stays)
    for one in gone:
        old = age_s is not None and NOW - one.item.stored > age_s
        assert (one.reason == "age") == old
        if not old:
            younger = [other for other in items if (other.stored, other.key) >= (one.item.stored, one.item.key)]
            rest = sum(other.size for other in younger) + sum(
                other.size for other in stays if (other.stored, other.key) < (one.item.stored, one.item.key)
            )
            assert size is not None
            assert rest > size
