"""Talking with a simulated robot whose policy is an oracle: what is answered, refused and done."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sim.experts import expert_action
from sim.language import parse_instruction
from sim.scene import Scene
from vla.actions.bins import TOKENS_PER_ACTION
from vla.errors import InstructionError
from vla.evaluation.chat import DID_IT_WORK, QUESTION, REQUEST, Chat
from vla.evaluation.drivers import View
from vla.evaluation.refusal import refusal
from vla.inference.calibration import Calibration
from vla.types import ActionChunk, Answer

PICTURE = np.zeros((32, 32, 3), np.uint8)


class Oracle:
    """Answers what it is given; everything is there and possible unless it is named in `absent`."""

    def __init__(self, absent: Sequence[str] = (), can: bool = True, sure: float = 1.0) -> None:
        self.absent, self.can, self.sure = absent, can, sure
        self.calibration = Calibration({}, 0.5)
        self.config = SimpleNamespace(image_size=32, cameras=("front",))
        self.asked: list[str] = []

    def ask(self, pictures: np.ndarray, questions: Sequence[str]) -> list[Answer]:
        self.asked += questions
        (question,) = questions
        japanese = not question.isascii()
        yes, no = ("はい", "いいえ") if japanese else ("yes", "no")
        missing = any(thing in question for thing in self.absent)
        feasible = question.startswith("can the robot do this") or "実行できますか" in question
        text = no if missing or (feasible and not self.can) else yes
        return [Answer(text, self.sure, None, (), np.array([self.sure]))]


def engine(**options: Any) -> Any:
    return cast(Any, Oracle(**options))


@pytest.mark.parametrize(
    "text",
    [
        "what is on the table?",
        "is there a red block",
        "赤いブロックはありますか",
        "青いボウルはどこ？",
        "全部の場所を教えて",
        "How many blocks are there?",
        "count the blocks",
    ],
)
def test_questions_are_told_from_instructions(text: str) -> None:
    assert QUESTION.search(text)


@pytest.mark.parametrize(
    "text", ["pick up the red block", "赤いブロックを取って", "put it away", "赤いブロックを取ってください"]
)
def test_instructions_are_told_from_questions(text: str) -> None:
    assert not QUESTION.search(text)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("Can you please pick up the red block?", "pick up the red block?"),
        ("please could you open the drawer", "open the drawer"),
        ("can you see a red block?", None),
        ("would you tell me where it is", None),
    ],
)
def test_a_polite_instruction_is_one(text: str, order: str | None) -> None:
    request = REQUEST.match(text)
    assert (request and text[request.end() :]) == order


@pytest.mark.parametrize("text", ["did it work?", "are you done?", "できましたか？", "終わった？"])
def test_questions_about_the_last_instruction(text: str) -> None:
    assert DID_IT_WORK.search(text)


def test_what_is_absent_is_named_as_the_reason() -> None:
    told = "put the red block in the green bowl"
    assert refusal(engine(), PICTURE, told) is None
    assert refusal(engine(absent=["green bowl"]), PICTURE, told) == "there is no green bowl on the table"
    star = refusal(engine(absent=["star"]), PICTURE, "put the red block on the star card")
    assert star == "there is no star card on the table"
    japanese = refusal(
        engine(absent=["緑のボウル", "緑色のボウル"]), PICTURE, "赤いブロックを緑のボウルに入れて"
    )
    assert japanese is not None and japanese.startswith("テーブルの上に") and "ボウルはありません" in japanese


def test_what_is_there_but_impossible_is_refused_without_a_name() -> None:
    assert refusal(engine(can=False), PICTURE, "open the red block") == "that cannot be done here"
    assert refusal(engine(can=False), PICTURE, "赤いブロックを開けて") == "それはここではできません"
    assert refusal(engine(can=False, sure=0.4), PICTURE, "open the red block") is None


class Expert:
    """Drives as the task's expert does and says terminate once the task is done, and once too soon."""

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        (view,) = views
        scene = cast(Scene, view.scene)
        done = np.array([bool(view.scene["is_success"]) or view.step == 0])
        action = expert_action("pick_up", scene)
        return [ActionChunk(action[None], done, np.ones((1, TOKENS_PER_ACTION), np.float32))]


def test_a_session_answers_acts_refuses_and_remembers() -> None:
    oracle = engine(absent=["purple bottle"])
    session = Chat(oracle, "pick_up", "basic", 3, execute=1)
    try:
        session.driver = cast(Any, Expert())
        assert session.reply("is there a block?") == "yes"
        assert session.reply("pick up the purple bottle") == "there is no purple bottle on the table"
        assert session.instruction is None and not session.scene["is_success"]
        told = session.scene["instruction"]
        assert parse_instruction(told).target is not None
        assert session.reply(f"Could you {told}?").startswith("i think that i am done, after ")
        assert session.scene["is_success"] and session.instruction == told
        assert session.reply("did it work?") == "yes"
        assert told in oracle.asked[-1]
        with pytest.raises(InstructionError):
            session.reply(" ")
    finally:
        session.close()


def test_an_unsure_answer_is_held_back_and_a_slow_policy_stopped() -> None:
    session = Chat(engine(sure=0.3), "pick_up", "basic", 3, execute=1, steps=2)
    try:
        assert session.reply("is there a block?") == "i don't know"
        session.driver = cast(Any, Expert())
        assert session.reply(session.scene["instruction"]) == "i stopped after 2 steps"
    finally:
        session.close()
