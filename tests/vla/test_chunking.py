import numpy as np
import pytest

from vla.errors import ConfigError
from vla.inference.chunking import ChunkPlayer, check_execute
from vla.types import ActionChunk


def chunk(first: float, horizon: int = 4, terminate: bool = False) -> ActionChunk:
    """Actions whose dx is first, first + 1, ...; only the first step may say terminate."""
    actions = np.zeros((horizon, 7), np.float32)
    actions[:, 0] = np.arange(first, first + horizon)
    flags = np.zeros(horizon, bool)
    flags[0] = terminate
    return ActionChunk(actions, flags, np.ones((horizon, 8), np.float32))


def test_the_first_k_actions_of_each_chunk_are_played() -> None:
    player = ChunkPlayer(execute=2)
    played = []
    for decision in range(3):
        assert player.needs_chunk
        player.add(chunk(10 * decision))
        while not player.needs_chunk:
            played.append(float(player.next()[0]))
    assert played == [0, 1, 10, 11, 20, 21]


def test_a_chunk_shorter_than_k_is_played_whole() -> None:
    player = ChunkPlayer(execute=5)
    player.add(chunk(0, horizon=1))
    assert float(player.next()[0]) == 0
    assert player.needs_chunk


def test_two_terminating_decisions_in_a_row_end_the_episode() -> None:
    player = ChunkPlayer(execute=1)
    player.add(chunk(0, terminate=True))
    assert not player.ended
    player.add(chunk(0, terminate=False))
    player.add(chunk(0, terminate=True))
    assert not player.ended
    player.add(chunk(0, terminate=True))
    assert player.ended


def test_terminate_later_in_a_chunk_counts_for_nothing_yet() -> None:
    player = ChunkPlayer(execute=1)
    later = chunk(0)
    later.terminate[2:] = True
    player.add(later)
    player.add(later)
    assert not player.ended


def test_it_is_refused_to_play_nothing() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        ChunkPlayer(execute=0)


@pytest.mark.parametrize("execute", [0, 5])
def test_k_lies_within_the_horizon(execute: int) -> None:
    check_execute(4, 4)
    with pytest.raises(ConfigError, match="give 1 to 4"):
        check_execute(execute, 4)
