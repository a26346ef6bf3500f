"""The one place where prompts are written, and where text typed by people is checked and made uniform.

Training and inference both build prompts here, so a capital letter, a full-width character or a trailing full
stop cannot make a policy see a prompt that it was not trained on.
"""

import re
import unicodedata
from functools import lru_cache

from vla.errors import InstructionError

MAX_INSTRUCTION_LENGTH = 200  # characters
MAX_QUESTION_LENGTH = 500  # characters
CACHED_TEXTS = 4096  # one training epoch repeats a few thousand texts
TRAILING_PUNCTUATION = " .!?,;:。、，！？"
BLANKS = "\t\n\r"  # the control characters that people type as space
CONTROL_CATEGORIES = ("Cc", "Cf", "Cn", "Co", "Cs")
SCRIPTS = ("Latin", "Hiragana", "Katakana", "Han")
# First word of the Unicode name of every letter and mark that is written in those scripts.
SCRIPT_WORDS = frozenset(
    {"LATIN", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK", "IDEOGRAPHIC"}
    | {"COMBINING", "MODIFIER", "VARIATION"}  # common to all scripts
)

JAPANESE = ("HIRAGANA", "KATAKANA", "CJK")  # what the Unicode names of its letters begin with

ASKS_ENGLISH = re.compile("(what|where|which|how many)\\b")
# どこか is "somewhere", 何も "nothing", どれでも "any".
ASKS_JAPANESE = re.compile("(どこ|どちら|どっち|どれ|どの|どんな|何|いくつ)(?!か|も|でも)")
QUOTED = re.compile("「[^」]*」")


def motion_prompt(instruction: str, step: str | None = None) -> str:
    """Write the prompt that asks for an action.

    Args:
        instruction: what to do; it is cleaned first.
        step: what comes next of it, in words: a plan (RT-2, arXiv:2307.15818, has one between instruction and
            action, too).

    Returns:
        The prompt, to be continued by action tokens.

    Raises:
        InstructionError: the instruction or the step cannot be used.
    """
    plan = "" if step is None else f" Plan: {clean_instruction(step)}."
    return f"Q: what action should the robot take to {clean_instruction(instruction)}?{plan} A:"


def question_prompt(question: str) -> str:
    """Write the prompt that asks for words.

    Args:
        question: it is cleaned first.

    Returns:
        The prompt, to be continued by words or location tokens.

    Raises:
        InstructionError: the question cannot be used.
    """
    return f"Q: {clean_question(question)} A:"


def clean_instruction(text: str) -> str:
    """Check an instruction and bring it into the form that the agent was trained on.

    Args:
        text: English or Japanese, at most 200 characters.

    Returns:
        The text in NFKC form and lower case, with single spaces and no punctuation at its end. Cleaning twice
        changes nothing.

    Raises:
        InstructionError: it is empty, too long, holds control characters or letters of another script.
    """
    return _clean(text, "instruction", MAX_INSTRUCTION_LENGTH)


def clean_question(text: str) -> str:
    """Check a question and bring it into the form that the agent was trained on.

    Args:
        text: English or Japanese, at most 500 characters.

    Returns:
        As ``clean_instruction``.

    Raises:
        InstructionError: as ``clean_instruction``.
    """
    return _clean(text, "question", MAX_QUESTION_LENGTH)


def language_of(text: str) -> str:
    """Language of a text: "ja" if it holds kana or kanji, else "en"."""
    names = (unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "") for letter in text)
    return "ja" if any(name.startswith(JAPANESE) for name in names) else "en"


def is_open(question: str) -> bool:
    """Whether a question asks what, where, which or how many, so that yes and no do not answer it.

    In Japanese such a word stands anywhere, in English it is looked for at the beginning: "is there a card
    which shows a 3?" is no open question.

    Raises:
        InstructionError: as ``clean_question``.
    """
    text = QUOTED.sub("", clean_question(question))
    return bool(ASKS_ENGLISH.match(text) or ASKS_JAPANESE.search(text))


@lru_cache(maxsize=CACHED_TEXTS)
def _clean(text: str, kind: str, max_length: int) -> str:
    stripped = text.strip(" " + BLANKS)
    _check_length(stripped, kind, max_length)  # before any work, so that megabytes of text cost nothing
    for character in stripped:
        _check_character(character, kind)
    normalised = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", stripped).lower())
    cleaned = " ".join(normalised.split()).rstrip(TRAILING_PUNCTUATION)
    _check_length(cleaned, kind, max_length)
    if not cleaned:
        raise InstructionError(f"the {kind} is empty; say what is wanted in English or Japanese")
    return cleaned


def _check_length(text: str, kind: str, max_length: int) -> None:
    if len(text) > max_length:
        raise InstructionError(
            f"the {kind} has {len(text)} characters; at most {max_length} are allowed. "
            "Shorten it to one sentence"
        )


def _check_character(character: str, kind: str) -> None:
    category = unicodedata.category(character)
    if category in CONTROL_CATEGORIES and character not in BLANKS:
        raise InstructionError(
            f"the {kind} holds the control character U+{ord(character):04X}; write plain text without it"
        )
    if category[0] not in "LM":  # only letters and marks belong to a script
        return
    compatible = unicodedata.normalize("NFKC", character)[0]  # a full-width letter counts as its plain one
    script = unicodedata.name(compatible, "UNKNOWN").split()[0]
    if script not in SCRIPT_WORDS and unicodedata.category(compatible)[0] in "LM":
        raise InstructionError(
            f"the {kind} holds {character!r}, a {script.capitalize()} letter; the scripts understood are "
            f"{', '.join(SCRIPTS)}. Write it in English or Japanese"
        )
