from app.jobs.unchanged import Unchanged


def test_a_value_grows_old_until_it_changes_or_is_gone():
    unchanged = Unchanged()
    assert unchanged.ages({"a": 1, "b": 1}, 10) == {"a": 0, "b": 0}
    assert unchanged.ages({"a": 1, "b": 2}, 13) == {"a": 3, "b": 0}
    assert unchanged.ages({"b": 2}, 14) == {"b": 1}
    assert unchanged.ages({"a": 1}, 15) == {"a": 0}


def test_a_new_value_may_have_an_age():
    unchanged = Unchanged()
    assert unchanged.ages({"a": 7}, 10, lambda value: value) == {"a": 7}
    assert unchanged.ages({"a": 7}, 12, lambda value: value) == {"a": 9}
