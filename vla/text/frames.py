"""What people say around a request: politeness, an address, an introduction. It changes nothing."""

import numpy as np

from vla.text.prompt import language_of

# {text} is the request itself.
INSTRUCTION_FRAMES = {
    "en": (
        "please {text}",
        "{text}, please",
        "could you {text}",
        "can you {text}",
        "would you {text} for me",
        "robot, {text}",
        "hey robot, {text}",
        "now {text}",
        "ok, {text}",
        "i want you to {text}",
        "i would like you to {text}",
        "your task: {text}",
        "next, {text}",
        "try to {text}",
    ),
    "ja": (
        "ロボットさん、{text}",
        "すみません、{text}",
        "お願い、{text}",
        "{text}。お願いします",
        "{text}。頼みます",
        "次は、{text}",
        "じゃあ、{text}",
        "ねえ、{text}",
        "今度は{text}",
        "作業です。{text}",
    ),
}
QUESTION_FRAMES = {
    "en": (
        "please tell me: {text}",
        "tell me, {text}",
        "can you tell me: {text}",
        "could you answer this: {text}",
        "question: {text}",
        "one question: {text}",
        "in this picture, {text}",
        "on this table, {text}",
        "look carefully: {text}",
        "look at the image. {text}",
        "hey robot, {text}",
        "now {text}",
        "i wonder: {text}",
    ),
    "ja": (
        "質問です。{text}",
        "教えてください。{text}",
        "答えてください。{text}",
        "この画像で、{text}",
        "画像を見てください。{text}",
        "よく見てください。{text}",
        "すみません、{text}",
        "ねえ、{text}",
        "今、{text}",
        "ロボットさん、{text}",
    ),
}


def frame_instruction(text: str, rng: np.random.Generator) -> str:
    """Say an instruction as part of a longer sentence."""
    return _frame(text, INSTRUCTION_FRAMES, rng)


def frame_question(text: str, rng: np.random.Generator) -> str:
    """Ask a question as part of a longer sentence."""
    return _frame(text, QUESTION_FRAMES, rng)


def _frame(text: str, frames: dict[str, tuple[str, ...]], rng: np.random.Generator) -> str:
    choices = frames[language_of(text)]
    return choices[int(rng.integers(len(choices)))].replace("{text}", text)
