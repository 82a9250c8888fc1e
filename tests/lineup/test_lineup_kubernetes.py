"""Whole lineups in a modelled cluster: preempted, evicted, refused, lost, killed and resumed, with real ledgers."""

import pytest

from modelled_lineup import ModelledLineup, modelled_lineup


@pytest.fixture
def lineup(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with modelled_lineup(tmp_path) as made:
        yield made


def test_two_models_are_carried_and_nothing_is_left(lineup: ModelledLineup) -> None:
    carried = lineup.run()
    assert [each.error for each in carried] == [None, None]
    lineup.assert_home()
    assert lineup.cluster.started.count("visit gemma-2-2b-it") == 1
