"""How an answer is said and printed for people."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from vla.types import Answer

SURE, LIKELY = 0.9, 0.6
"""Confidence from which an answer is shown in green, and in yellow; below it is red."""


def in_language(answer: Answer, language: str) -> Answer:
    """The answer, and the guess behind it, in "en" or "ja"."""
    from sim.language import translate  # late: few ask for it

    guess = answer.guess and translate(answer.guess, language)
    return replace(answer, text=translate(answer.text, language), guess=guess)


def print_answer(answer: Answer, before: Sequence[str] = ()) -> None:
    """Print an answer with its confidence on one line, coloured in a terminal.

    Args:
        answer: one answer.
        before: what it is an answer to, if that must be said.
    """
    color = "green" if answer.confidence >= SURE else "yellow" if answer.confidence >= LIKELY else "red"
    line = Text("  ").join([*map(Text, before), Text(answer.text, f"bold {color}")])
    why = f"{answer.guess}: " if answer.guess is not None else ""
    line.append(f"  ({why}confidence {answer.confidence:.0%})", "dim")
    Console(highlight=False, soft_wrap=True).print(line)
