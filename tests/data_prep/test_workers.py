import os
import time

import pytest

from data_prep.errors import UnsuitableStudy
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.cache import make_inputs
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers

pytestmark = pytest.mark.slow


def process_of(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def refuse(item: int) -> int:
    if item == 3:
        raise UnsuitableStudy("number three")
    return item


def test_results_come_in_order_from_several_processes():
    assert list(Workers(2).run(abs, range(-20, 0), "counting")) == list(range(20, 0, -1))
    assert len(set(Workers(2).run(process_of, range(6), "counting")) - {os.getpid()}) == 1


def test_processes_may_stand_back_for_others():
    usual, standing_back = (Workers().pool(1, nice).submit(os.nice, 0).result() for nice in (0, 3))
    assert standing_back - usual == 3


def grow(item: int) -> int:
    """Take longer than a second and, in a process of the pool, keep as much memory as TensorFlow would."""
    time.sleep(1.1)
    if os.getpid() != item:
        kept.append(b"x" * 350_000_000)
    return len(kept)


kept: list[bytes] = []


def test_processes_that_grow_go_on():
    """By default the pool replaces them, with a warning which, as an error, once left everybody waiting for ever."""
    list(Workers(2).run(abs, range(4), "starting"))
    assert max(Workers(2).run(grow, [os.getpid()] * 12, "growing")) > 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_comes_out_as_it_is(jobs):
    with pytest.raises(UnsuitableStudy, match="number three"):
        list(Workers(jobs).run(refuse, range(6), "counting"))


def test_a_cluster_does_the_same_in_its_own_processes(cluster):
    workers = Workers(cluster=cluster)
    assert len(set(workers.run(process_of, range(8), "counting")) - {os.getpid()}) == 2
    with pytest.raises(UnsuitableStudy, match="number three"):
        list(workers.run(refuse, range(6), "counting"))


def test_arrays_made_on_a_cluster_are_those_made_here(cluster, knees, tmp_path):
    exams, recipe = read_exams(knees / "exams.csv")[:4], Recipe((30.0, 48.0, 48.0), (48, 48))
    here = make_inputs(exams, recipe, tmp_path / "here", Workers(1))
    there = make_inputs(exams, recipe, tmp_path / "there", Workers(cluster=cluster))
    assert [path.name for path in there.paths] == [path.name for path in here.paths]
    assert [path.read_bytes() for path in there.paths] == [path.read_bytes() for path in here.paths]
