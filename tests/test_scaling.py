"""The queueing model of the benchmarks against what is known of such queues."""

from __future__ import annotations

import math

import pytest
from benchmarks.scaling import Costs, Layout, erlang_c, modelled, most, waiting


def test_one_server_is_busy_as_often_as_somebody_waits() -> None:
    for load in (0.1, 0.5, 0.9):
        assert erlang_c(1, load) == pytest.approx(load)
    # M/M/1: the mean wait is rho / (mu - lambda).
    assert waiting(80, 0.01, 1) == pytest.approx(0.8 / (100 - 80))


def test_several_servers() -> None:
    assert erlang_c(2, 1) == pytest.approx(1 / 3)
    load, servers = 7.5, 10
    terms = [load**count / math.factorial(count) for count in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    assert erlang_c(servers, load) == pytest.approx(last / (sum(terms) + last))


def test_too_much_waits_for_ever() -> None:
    assert waiting(300, 0.01, 3) == math.inf


def test_the_limit_moves_from_the_nodes_to_the_database() -> None:
    costs = Costs(node=0.001, database=0.0005)
    few, many = Layout("few", 1, 2, 1, 4), Layout("many", 30, 2, 1, 4)
    assert most(few, costs) == (pytest.approx(1400), "nodes")
    assert most(many, costs) == (pytest.approx(5600), "database")
    sharded = many._replace(databases=4)
    assert most(sharded, costs)[0] == pytest.approx(4 * 5600)
    assert modelled(many, 4000, costs).database_busy == pytest.approx(0.5)
    assert modelled(sharded, 4000, costs).wait_ms < modelled(many, 4000, costs).wait_ms
