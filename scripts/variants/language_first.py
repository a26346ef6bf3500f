"""`vla`, but the decoder reads what is said before it sees the pictures, which so are read in its light.

Usage: scripts/variants/language_first.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
A picture that follows a sentence belongs to one turn: compare with one_turn.py.
"""

import sys
from collections.abc import Callable

import one_turn  # noqa: F401  (packs one turn a row)

from vla.cli import main
from vla.data.collate import Turn
from vla.data.mixture import TurnPacker
from vla.model.processing_vla import VLAProcessor

motion, question, pack = VLAProcessor.motion_ids, VLAProcessor.question_ids, TurnPacker.turns


def after_words(prompt: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """The same prompt with everything seen behind the words."""

    def ids(processor: VLAProcessor, *said: object) -> list[int]:
        placeholders = (processor.image_token_id, processor.state_token_id)
        both = [processor.image_token_id] * processor.num_image_tokens + prompt(processor, *said)
        seen = [each for each in both if each in placeholders]
        return [*(each for each in both if each not in placeholders), *seen]

    return ids


def seen_turn(packer: TurnPacker, row: int) -> list[Turn]:
    """As `TurnPacker.turns`; of a picture that nothing can be asked about, the picture alone."""
    seen = [packer.processor.image_token_id] * packer.processor.num_image_tokens
    return pack(packer, row) or [Turn(seen, [])]


TurnPacker.turns = seen_turn  # type: ignore[method-assign]
VLAProcessor.prefix_ids = lambda processor: [processor.tokenizer.bos_token_id]  # type: ignore[method-assign]
VLAProcessor.motion_ids = after_words(motion)  # type: ignore[method-assign]
VLAProcessor.question_ids = after_words(question)  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
