"""The processor: pictures and text in, token sequences out; prompts are written in `vla.text.prompt`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL import Image
from transformers import AutoProcessor, PreTrainedTokenizerBase, ProcessorMixin

from vla.actions.bins import NUM_BINS
from vla.errors import InstructionError
from vla.model.configuration_vla import VLAConfig
from vla.text.prompt import motion_prompt, question_prompt
from vla.text.tokenizer import IMAGE, STATE, bin_token_start, decode_text, encode_text

POINT = "{point}"
"""Stands in a question where a place is named."""


def square_image(image: Image.Image | np.ndarray, size: int) -> np.ndarray:
    """Bring a picture to uint8[size, size, 3]; other aspect ratios are centre-cropped."""
    if isinstance(image, np.ndarray):
        if image.shape == (size, size, 3):
            return image
        image = Image.fromarray(image)
    image = image.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX, box=box))


class VLAProcessor(ProcessorMixin):
    """Tokenizer and image size of a model, saved beside its weights.

    Args:
        tokenizer: a tokenizer with `<bos> <eos> <pad> <image> <state>` and the bin tokens.
        image_size: side of the square image, pixels.
        num_image_tokens: image placeholders N.
        num_wrist_tokens: image placeholders W of the wrist camera's picture, in a motion prompt.
    """

    attributes: ClassVar[list[str]] = ["tokenizer"]
    tokenizer_class = "AutoTokenizer"

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        image_size: int = 96,
        num_image_tokens: int = 36,
        num_wrist_tokens: int = 0,
    ) -> None:
        self.image_size = image_size
        self.num_image_tokens = num_image_tokens
        self.num_wrist_tokens = num_wrist_tokens
        super().__init__(tokenizer)
        self.bin_token_start = bin_token_start(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self.image_token_id, self.state_token_id = vocabulary[IMAGE], vocabulary[STATE]

    def image(self, image: Image.Image | np.ndarray) -> np.ndarray:
        """Bring a picture to the model's size, uint8[H, W, 3]: see `square_image`."""
        return square_image(image, self.image_size)

    def prefix_ids(self) -> list[int]:
        """`<bos>` and the image placeholders, which every sequence begins with."""
        return [self.tokenizer.bos_token_id] + [self.image_token_id] * self.num_image_tokens

    def text_ids(self, text: str) -> list[int]:
        """Ids of plain text; words that look like special tokens stay text."""
        return encode_text(self.tokenizer, text)

    def motion_ids(self, instruction: str, step: str | None = None) -> list[int]:
        """Placeholders of the wrist camera's picture, if there is one, `<state>` and `motion_prompt`."""
        seen = [self.image_token_id] * self.num_wrist_tokens
        return [*seen, self.state_token_id, *self.text_ids(motion_prompt(instruction, step))]

    def question_ids(self, question: str, point: Sequence[int] | np.ndarray | None = None) -> list[int]:
        """The question prompt; "{point}" in the question becomes the two location bins given.

        Raises:
            InstructionError: the question cannot be used, or "{point}" and a place do not come together.
        """
        prompt = question_prompt(question)
        if prompt.count(POINT) != (point is not None):
            raise InstructionError(
                f'the question {question!r} needs "{POINT}" once if a place is given, and else not at all'
            )
        if point is None:
            return self.text_ids(prompt)
        before, after = prompt.split(POINT)
        return [*self.text_ids(before), *self.bin_ids(point), *self.text_ids(after)]

    def bin_ids(self, bins: Sequence[int] | np.ndarray) -> list[int]:
        """Token ids of bins in 0..255."""
        values = [int(b) for b in bins]
        assert all(0 <= b < NUM_BINS for b in values)
        return [self.bin_token_start + b for b in values]

    def answer_ids(self, answer: str, places: Sequence[Sequence[int] | np.ndarray] = ()) -> list[int]:
        """An answer, led by a space, and `<eos>`; each "{point}" in it becomes the two bins of a place."""
        first, *rest = (" " + answer).split(POINT)
        ids = self.text_ids(first)
        for place, words in zip(places, rest, strict=True):
            ids += [*self.bin_ids(place), *self.text_ids(words)]
        return [*ids, self.tokenizer.eos_token_id]

    def text(self, ids: Sequence[int]) -> str:
        """Words of answer ids, special tokens left out; a blank for what a terminal would obey, not print."""
        words = decode_text(self.tokenizer, ids)
        return "".join(letter if letter.isprintable() else " " for letter in words)


AutoProcessor.register(VLAConfig, VLAProcessor, exist_ok=True)
