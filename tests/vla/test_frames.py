"""Longer sentences around requests."""

import numpy as np
import pytest

from sim.language import parse_instruction
from vla.text.frames import INSTRUCTION_FRAMES, QUESTION_FRAMES, frame_instruction, frame_question
from vla.text.prompt import clean_instruction, clean_question, language_of

ENGLISH, JAPANESE = "put the red block in the blue bowl", "赤いブロックを青いボウルに入れて"


@pytest.mark.parametrize("frames", [INSTRUCTION_FRAMES, QUESTION_FRAMES])
def test_frames_keep_the_request_whole_and_are_written_as_prompts_are(
    frames: dict[str, tuple[str, ...]],
) -> None:
    for language, choices in frames.items():
        assert len(set(choices)) == len(choices)
        for frame in choices:
            assert frame.count("{text}") == 1 and language_of(frame.replace("{text}", "")) == language
            assert clean_question(frame) == frame.rstrip("。")


@pytest.mark.parametrize("text", [ENGLISH, JAPANESE])
def test_a_framed_instruction_is_read_like_the_plain_one(text: str) -> None:
    said = {frame_instruction(text, np.random.default_rng(seed)) for seed in range(200)}
    assert len(said) == len(INSTRUCTION_FRAMES[language_of(text)])
    for sentence in said:
        assert text in clean_instruction(sentence)
        assert parse_instruction(sentence) == parse_instruction(text)


def test_a_place_in_a_question_stays() -> None:
    for seed in range(50):
        assert frame_question("what is at {point}?", np.random.default_rng(seed)).count("{point}") == 1
