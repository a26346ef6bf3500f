"""A policy without training: do what was done in the most similar moments of the demonstrations.

Visual imitation through nearest neighbours (VINN, arXiv:2112.01511) on the features of our image encoder. It
must also heed words here: only the moments whose instructions share the most words are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch.nn import functional

from vla.actions.bins import TOKENS_PER_ACTION
from vla.actions.stats import Quantiles
from vla.data.mixture import embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.errors import CheckpointError
from vla.evaluation.drivers import CAMERA, View
from vla.model.processing_vla import square_image
from vla.text.prompt import clean_instruction
from vla.types import ActionChunk

HORIZON = 2
"""Actions that are taken from a moment of a demonstration."""
NEIGHBOURS = 10
"""Moments whose actions are averaged, weighted by the softmax of their nearness."""
CANDIDATES = 2_000
"""Moments that are looked at, those with the most similar instructions."""
FRAMES = 40_000
"""Frames that are compared at most, drawn evenly."""
STATE_WEIGHT = 0.5
"""Of the distance between states in [-1, 1], beside that between unit features."""
BATCH = 64


class NearestDriver:
    """Nearest neighbours among demonstrations.

    Args:
        dataset: demonstrations.
        encoder: folder of `vla train clip`.
        device: where pictures are encoded.
    Raises:
        CheckpointError: there is no such encoder.
    """

    def __init__(self, dataset: DemonstrationDataset, encoder: Path, device: str = "cpu") -> None:
        if not (encoder / "open_clip_config.json").is_file():
            raise CheckpointError(f"no image encoder at {encoder}; make one with `vla train clip`")
        self.device = device
        self.clip, _, preprocess = open_clip.create_model_and_transforms(
            f"local-dir:{encoder}", device=device
        )
        self.clip.eval()
        *_, normalise = preprocess.transforms
        self.mean, self.std = (
            torch.tensor(values, device=device) for values in (normalise.mean, normalise.std)
        )
        size: Any = self.clip.visual.image_size
        self.size = int(size[0] if isinstance(size, tuple) else size)
        self.stats = Quantiles.from_dict(embodiment_statistics(dataset)[dataset.robot_type]["state"])
        moving = np.flatnonzero(~dataset.is_still)
        frames = moving[:: max(1, -(-len(moving) // FRAMES))]
        texts = [dataset.instruction(int(frame)) for frame in frames]
        instructions, self.instruction_of = np.unique(texts, return_inverse=True)
        self.words = [_words(text) for text in instructions.tolist()]
        self.found: dict[str, np.ndarray] = {}
        self.actions = np.stack([self._chunk(dataset, int(frame)) for frame in frames])
        pictures = (dataset.image(int(frame), CAMERA) for frame in frames)
        self.keys = self._keys(pictures, dataset.states[frames])

    @staticmethod
    def _chunk(dataset: DemonstrationDataset, frame: int) -> np.ndarray:
        last = int(dataset.episode_ends[frame]) - 1
        return dataset.actions[np.minimum(np.arange(frame, frame + HORIZON), last)]

    @torch.inference_mode()
    def _keys(self, pictures: Any, states: np.ndarray) -> np.ndarray:
        """What moments are compared by, float32[N, D]: unit features of the picture, then the state."""
        features, batch = [], []
        for picture in pictures:
            batch.append(square_image(picture, self.size))
            if len(batch) == BATCH:
                features.append(self._encode(batch))
                batch = []
        if batch:
            features.append(self._encode(batch))
        scaled = STATE_WEIGHT * self.stats.normalise(states)
        return np.concatenate([np.concatenate(features), scaled], axis=1).astype(np.float32)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        pixels = torch.from_numpy(np.stack(batch)).to(self.device).float() / 255.0
        pixels = ((pixels - self.mean) / self.std).permute(0, 3, 1, 2)
        return functional.normalize(self.clip.encode_image(pixels), dim=-1).float().cpu().numpy()

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Average what was done in the nearest of the moments with the most similar instructions."""
        observations = [view.observation for view in views]
        keys = self._keys(
            (seen.pixels[CAMERA] for seen in observations),
            np.stack([seen.agent_pos for seen in observations]),
        )
        return [self._decide(key, seen.instruction) for key, seen in zip(keys, observations, strict=True)]

    def _decide(self, key: np.ndarray, instruction: str) -> ActionChunk:
        candidates = self._candidates(instruction)
        distances = np.linalg.norm(self.keys[candidates] - key, axis=1)
        nearest = np.argsort(distances)[:NEIGHBOURS]
        weights = np.exp(-distances[nearest])
        actions = np.average(self.actions[candidates[nearest]], axis=0, weights=weights)
        probabilities = np.ones((HORIZON, TOKENS_PER_ACTION), np.float32)
        return ActionChunk(actions.astype(np.float32), np.zeros(HORIZON, bool), probabilities)

    def _candidates(self, instruction: str) -> np.ndarray:
        """Moments of the most similar instructions; looked up once for each instruction."""
        if instruction not in self.found:
            asked = _words(instruction)
            alike = np.array([_overlap(asked, words) for words in self.words])
            self.found[instruction] = np.argsort(-alike[self.instruction_of], kind="stable")[:CANDIDATES]
        return self.found[instruction]


def _words(text: str) -> frozenset[str]:
    """Words of a text; pairs of letters where words are not set apart, as in Japanese."""
    text = clean_instruction(text)
    if text.isascii():
        return frozenset(text.split())
    return frozenset(text[i : i + 2] for i in range(len(text) - 1))


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second)
