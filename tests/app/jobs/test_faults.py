from app.jobs.faults import FIRST_PAUSE_S, LONGEST_PAUSE_S, Pauses


def test_pauses_grow_until_they_are_forgotten():
    now = 0.0
    pauses = Pauses(lambda: now)
    lengths = []
    for _ in range(12):
        pauses.begin("a")
        start = now
        while pauses.current():
            now += FIRST_PAUSE_S
        lengths.append(now - start)
    assert lengths[:4] == [FIRST_PAUSE_S * factor for factor in (1, 2, 4, 8)]
    assert lengths[-1] == LONGEST_PAUSE_S
    pauses.forget("a")
    pauses.begin("a")
    now += FIRST_PAUSE_S
    assert pauses.current() == set()


def test_what_met_no_fault_has_no_pause():
    pauses = Pauses()
    pauses.begin("a")
    assert pauses.current() == {"a"}
