"""`vla play`: keys become actions, pictures become text, the expert is filmed."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from vla.cli import main
from vla.evaluation.play import MOVES, Session, action_of, as_text
from vla.evaluation.rollout import Start


@pytest.mark.parametrize("key", [*MOVES, " "])
def test_a_key_moves_one_thing(key: str) -> None:
    action = action_of(key, -1.0)
    assert action is not None and action.dtype == np.float32 and action[6] == -1.0
    moved = np.flatnonzero(action[:6])
    assert len(moved) == (0 if key == " " else 1) and abs(action).max() <= 1.0


def test_other_keys_do_nothing() -> None:
    assert action_of("z", 1.0) is None and action_of("", 1.0) is None


def test_a_picture_becomes_half_blocks() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:4] = (255, 0, 0)
    lines = as_text(picture, 8).plain.splitlines()
    assert lines == ["▀" * 8] * 4
    assert str(as_text(picture, 8).spans[0].style) == "rgb(255,0,0) on rgb(255,0,0)"


def test_the_expert_is_shown_and_filmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "reach.gif"
    assert main(["play", "--task", "reach", "--expert", "--seed", "1", "--video", str(film)]) == 0
    assert "succeeded in" in capsys.readouterr().out
    assert film.read_bytes().startswith(b"GIF8")
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, width=100)
    session = Session("reach", "seen", "front", Start(1), pace=0, console=console)
    assert session.by_expert(show=True).success
    assert "SUCCESS" in page.getvalue() and "▀" in page.getvalue()


def test_without_a_terminal_there_are_no_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["play"]) == 2
    assert "use --expert" in capsys.readouterr().err


@pytest.mark.parametrize("last", ["x", "", KeyboardInterrupt])
def test_keys_play_episodes_until_the_player_quits(monkeypatch: pytest.MonkeyPatch, last: Any) -> None:
    class Keyboard:
        """Stands for a terminal and the keys pressed in it."""

        pressed = iter([*"wrz n d ", last])

        def isatty(self) -> bool:
            return True

        def read(self, count: int) -> str:
            key = next(self.pressed)
            if key is KeyboardInterrupt:
                raise KeyboardInterrupt
            return str(key)

        def fileno(self) -> int:
            return 0

    monkeypatch.setattr("sys.stdin", Keyboard())
    for name in ("tcgetattr", "tcsetattr"):
        monkeypatch.setattr(f"vla.evaluation.play.termios.{name}", lambda *_: None)
    monkeypatch.setattr("vla.evaluation.play.tty.setcbreak", lambda _: None)
    session = Session("reach", "basic", "front", Start(5), console=Console(file=io.StringIO()))
    episodes = session.by_keyboard()
    assert [(episode.start.seed, episode.steps) for episode in episodes] == [(5, 3), (6, 3)]
