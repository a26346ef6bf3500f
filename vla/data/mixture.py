"""Co-fine-tuning: robot actions and image questions in one stream of batches (RT-2, arXiv:2307.15818).

A batch is a pure function of the seed and the step, so a resumed run sees what an unbroken one would have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vla.actions.bins import BinTokenizer
from vla.actions.embodiment import Embodiment
from vla.actions.locations import location_to_bins
from vla.actions.stats import Quantiles
from vla.config import AugmentConfig, MixtureConfig
from vla.data.augment import augment
from vla.data.cache import Arrays, cached_arrays, frame_arrays, on_gpu
from vla.data.collate import PADDING, Turn, pack_turns, sequences
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import (
    Question,
    draw_counterfactual,
    draw_questions,
    next_action,
    next_place,
    next_step,
    plugin_files,
)
from vla.errors import DataError
from vla.files import code_digest
from vla.model.configuration_vla import VLAConfig
from vla.model.processing_vla import POINT, VLAProcessor
from vla.text.frames import frame_instruction, frame_question
from vla.text.typos import mistype

NEGLIGIBLE_RANGE = 0.01
"""Metres, radians or share of the gripper's opening; of actions, share of what 1 stands for."""
HELD_OUT_EVERY = 50
"""One episode in so many is not learned from; its loss shows what is learned beyond the others."""
_COLUMNS = {"tokens": "int32", "segments": "int8", "learned": "bool"}  # what `pack_turns` gives


class TurnPacker:
    """Writes what is asked and done about a frame into rows of tokens: see `pack_turns`.

    Row r is about frame `frames[r]`. A row of a demonstration begins with its action; questions follow until
    it is full.

    Attributes:
        frames: int64[R].
        motion_rows: how many of them, the first ones, are of demonstrations.
        length: tokens L of a row.

    Args:
        dataset: demonstrations of one embodiment, with stills for questions.
        processor, config: of the model to be trained.
        settings: the mixture.
        seed: decides every draw.
    Raises:
        DataError: the dataset is of a robot that the model does not know, or lacks what the mixture asks for.
    """

    def __init__(
        self,
        dataset: DemonstrationDataset,
        processor: VLAProcessor,
        config: VLAConfig,
        settings: MixtureConfig,
        seed: int,
    ) -> None:
        self.dataset = dataset
        self.processor = processor
        self.config = config
        self.settings = settings
        self.seed = seed
        share = settings.motion_share
        motion, still = np.flatnonzero(~dataset.is_still), np.flatnonzero(dataset.is_still)
        episodes = np.unique(dataset.episode_index[motion])[: settings.demonstrations]
        motion = motion[np.isin(dataset.episode_index[motion], episodes)]
        for name, frames, part in (("demonstrations", motion, share), ("stills", still, 1 - share)):
            if part > 0 and len(frames) == 0:
                raise DataError(
                    f"the dataset holds no {name}, but the mixture asks for a share of {part:g} of them"
                )
        robot = dataset.robot_type
        if robot not in config.embodiments:
            known = ", ".join(config.embodiments)
            raise DataError(f"the dataset is of robot {robot!r}; the model has statistics for {known}")
        self.embodiment = Embodiment.from_dict(robot, config.embodiments[robot])
        self.states = self.embodiment.scale_states(dataset.states, config.state_dim)
        self.plans = config.plan and self.embodiment.plans
        self.bins = BinTokenizer()
        self.length = settings.max_tokens - len(processor.prefix_ids())
        if self.length < 1:
            raise DataError(
                f"a picture takes {len(processor.prefix_ids())} tokens; mixture.max_tokens is "
                f"{settings.max_tokens}, raise it"
            )
        self.frames = np.concatenate(
            [np.repeat(motion, settings.rows_per_motion), np.repeat(still, settings.rows_per_still)]
        )
        self.motion_rows = len(motion) * settings.rows_per_motion

    def arrays(self) -> Arrays:
        """All rows: `tokens` int32[R, L], `segments` int8[R, L], `learned` bool[R, L], `used` int32[R]."""
        columns = {name: ((self.length,), dtype) for name, dtype in _COLUMNS.items()} | {
            "used": ((), "int32")
        }
        facts = [
            self.settings.model_dump(mode="json"),
            self.seed,
            self.processor.tokenizer.get_vocab(),
            self.processor.num_image_tokens,
            self.processor.num_wrist_tokens,
            self.config.action_horizon,
            self.config.plan,
            self.config.location_range,
            self.config.embodiments[self.dataset.robot_type],
            code_digest(*plugin_files()),  # the experts of tasks from elsewhere
        ]
        return cached_arrays(self.dataset, "turns", columns, len(self.frames), self, facts)

    def __call__(self, rows: range) -> Arrays:
        """Some rows, as `arrays`."""
        pad_id = self.processor.tokenizer.pad_token_id
        packed = [pack_turns(self.turns(row), self.length, pad_id) for row in rows]
        arrays = {
            name: np.stack(column) for name, column in zip(_COLUMNS, zip(*packed, strict=True), strict=True)
        }
        return arrays | {"used": (arrays["segments"] != PADDING).sum(axis=1)}

    def turns(self, row: int) -> list[Turn]:
        """The turns of a row; other instructions and questions that would make it too long are left out.

        Raises:
            DataError: the action alone is too long.
        """
        rng = np.random.default_rng([self.seed, row])
        frame = int(self.frames[row])
        turns, moves = [], row < self.motion_rows
        if moves:
            instruction = self._said(self.dataset.instruction(frame), frame_instruction, rng)
            turns.append(self.motion_turn(frame, instruction, self._own_step(frame, instruction, rng)))
        room = self.length - sum(map(len, turns))
        if room < 0:
            raise DataError(
                f"image and action of frame {frame} take {self.settings.max_tokens - room} tokens; "
                f"mixture.max_tokens is {self.settings.max_tokens}, raise it"
            )
        others = chain(self._other_motions(frame, rng) if moves else (), self._questions(frame, rng))
        for turn in others if self.dataset.has_scenes else ():
            if len(turn) <= room:
                turns.append(turn)
                room -= len(turn)
        return turns

    def _questions(self, frame: int, rng: np.random.Generator) -> Iterator[Turn]:
        settings, scene = self.settings, self.dataset.scene(frame)
        asked = draw_questions(
            scene, rng, settings.languages, settings.questions_per_image, settings.question_families
        )
        for question in asked:
            text = self._said(question.question, frame_question, rng)
            yield self.question_turn(replace(question, question=text))

    def _said(
        self, text: str, frame: Callable[[str, np.random.Generator], str], rng: np.random.Generator
    ) -> str:
        """A text as somebody might say and type it."""
        framed, mistyped = rng.random(2) < (self.settings.framed_share, self.settings.typo_share)
        text = frame(text, rng) if framed else text
        return mistype(text, rng) if mistyped and POINT not in text else text

    def _own_step(self, frame: int, instruction: str, rng: np.random.Generator) -> str | None:
        if not self.dataset.has_scenes:
            return None
        return self._step(self.dataset.scene(frame), instruction, rng)

    def _step(self, scene: dict[str, Any], instruction: str, rng: np.random.Generator) -> str | None:
        return next_step(scene, instruction) if rng.random() < self.settings.step_share else None

    def motion_turn(self, frame: int, instruction: str, step: str | None = None) -> Turn:
        """The actions that begin at a frame; past success, to stand still and say terminate.

        After a moment nothing is known, so the turn ends with its action; nor is it known of another robot
        what action stands still. A model that plans first says where the hand moves to.
        """
        horizon = self.config.action_horizon
        end = int(self.dataset.episode_ends[frame])
        actions = self.dataset.actions[frame : min(frame + horizon, end)]
        missing = horizon - len(actions) if self.dataset.succeeds[frame] and self.dataset.has_scenes else 0
        hold = np.zeros_like(actions[-1])
        hold[-1] = actions[-1][-1]
        chunk = np.concatenate([actions, np.repeat(hold[None], missing, axis=0)])
        terminate = np.arange(len(chunk)) >= len(actions)
        tokens = self.bins.chunk_to_bins(self.embodiment.action.normalise(chunk), terminate)
        scene = self.dataset.scene(frame) if self.plans else {}
        return self._plan_and_actions(frame, scene, instruction, step, tokens)

    def _other_motions(self, frame: int, rng: np.random.Generator) -> Iterator[Turn]:
        """Turns of other instructions that a frame's scene allows, each with the action of its expert."""
        scene = self.dataset.scene(frame)
        for _ in range(self.settings.instructions_per_image - 1):
            drawn = draw_counterfactual(scene, rng, self.settings.languages)
            if drawn is not None:
                other, text = drawn
                action = self.embodiment.action.normalise(next_action(other))
                tokens = self.bins.chunk_to_bins(action[None], np.zeros(1, dtype=bool))
                said = self._said(text, frame_instruction, rng)
                yield self._plan_and_actions(frame, other, said, self._step(other, text, rng), tokens)

    def _plan_and_actions(
        self,
        frame: int,
        scene: dict[str, Any],
        instruction: str,
        step: str | None,
        actions: Iterable[int],
    ) -> Turn:
        plan: Iterable[int] = ()
        if self.plans:
            plan = location_to_bins(next_place(scene), self.config.location_range)
        return Turn(
            prompt=self.processor.motion_ids(instruction, step),
            target=self.processor.bin_ids([*plan, *actions]),
            state=self.states[frame],
        )

    def question_turn(self, question: Question) -> Turn:
        """A question and its answer: words, with two location bins for each place, or a place alone."""
        processor = self.processor
        point = None
        if question.point is not None:
            point = location_to_bins(question.point, self.config.location_range)
        if question.answer is None:
            assert point is not None
            target = [*processor.bin_ids(point), processor.tokenizer.eos_token_id]
            return Turn(processor.question_ids(question.question), target)
        places = [location_to_bins(place, self.config.location_range) for place in question.places]
        return Turn(
            processor.question_ids(question.question, point), processor.answer_ids(question.answer, places)
        )


class CoFineTuningBatches(Dataset[dict[str, torch.Tensor]]):
    """Item `step` is the batch of that step, drawn from all episodes but those that are held out.

    Args:
        packer: of the rows to draw from.
        batch_size: images a batch.
        seed: decides every draw.
        steps: length of the stream.
        augmentation: of the pictures, if any.
    """

    def __init__(
        self,
        packer: TurnPacker,
        *,
        batch_size: int,
        seed: int,
        steps: int,
        augmentation: AugmentConfig | None = None,
    ) -> None:
        self.packer, self.batch_size, self.seed, self.steps = packer, batch_size, seed, steps
        self.augmentation = augmentation
        self.prefix = packer.processor.prefix_ids()
        rows, dataset = packer.arrays(), packer.dataset
        self.used = np.array(rows["used"])
        self.held_out = dataset.episode_index[packer.frames] % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        moving = np.arange(len(self.held_out)) < packer.motion_rows
        for kind in (moving, ~moving):
            if self.held_out[kind].all():  # too few to hold any out
                self.held_out &= ~kind
        self._draw_from(~self.held_out)
        self.images = {
            camera: torch.from_numpy(frame_arrays(dataset, size, packer.embodiment.camera(camera)))
            for camera, size in packer.config.image_sizes.items()
        }
        self.states = torch.from_numpy(packer.states)
        self.rows = {name: torch.from_numpy(rows[name]) for name in _COLUMNS}

    def _draw_from(self, rows: np.ndarray) -> None:
        moving = np.arange(len(rows)) < self.packer.motion_rows
        self.motion, self.still = np.flatnonzero(rows & moving), np.flatnonzero(rows & ~moving)

    def validation(self) -> CoFineTuningBatches | None:
        """Batches of what is held out, on the same device; None where a part of the mixture has none."""
        other = copy.copy(self)
        other._draw_from(self.held_out)
        share = self.packer.settings.motion_share
        empty = (share > 0 and not len(other.motion)) or (share < 1 and not len(other.still))
        return None if empty else other

    def to(self, device: torch.device) -> None:
        """Hold everything in a GPU's memory, where half of what is free there is enough."""
        tensors = on_gpu([self.states, *self.images.values(), *self.rows.values()], device)
        self.states, *held = tensors
        self.images = dict(zip(self.images, held, strict=False))
        self.rows = dict(zip(self.rows, held[len(self.images) :], strict=True))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step.

        Returns:
            What `sequences` gives, `pixel_values` uint8[B, H, W, 3], `plans` bool[B], whether a row's
            decisions begin with a plan, and of the rows with an action (absent if there is none) `states`
            float32[K, S] and, if the model has that camera, `wrist_values` uint8[K, h, h, 3].
        """
        rng = np.random.default_rng([self.seed, step])
        # As many in every batch, as far as the share allows: what is compiled is compiled for their number.
        motions = int(self.packer.settings.motion_share * self.batch_size + rng.random())
        moving = rng.permutation(self.batch_size) < motions
        motion, still = (
            # A kind that there is none of has no share either.
            rows[rng.integers(len(rows), size=self.batch_size)] if len(rows) else 0
            for rows in (self.motion, self.still)
        )
        drawn = np.where(moving, motion, still)
        index, frames = torch.from_numpy(drawn), torch.from_numpy(self.packer.frames[drawn])
        longest = int(self.used[drawn].max())
        packed = {name: rows[_at(index, rows), :longest] for name, rows in self.rows.items()}
        batch = sequences(self.prefix, **packed)
        batch["pixel_values"] = self._pictures("front", frames, rng)
        batch["plans"] = torch.full((self.batch_size,), self.packer.plans)
        if moving.any():
            frames = frames[torch.from_numpy(moving)]
            batch["states"] = self.states[_at(frames, self.states)]
            if "wrist" in self.images:
                batch["wrist_values"] = self._pictures("wrist", frames, rng)
        return batch

    def _pictures(self, camera: str, frames: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        pictures = self.images[camera]
        drawn = pictures[_at(frames, pictures)]
        return augment(drawn, self.augmentation, int(rng.integers(2**63))) if self.augmentation else drawn


def _at(index: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    return index.to(tensor.device, non_blocking=True)


def embodiment_statistics(dataset: DemonstrationDataset) -> dict[str, Any]:
    """Normalisation statistics of what is done in a dataset, in the form of `VLAConfig.embodiments`.

    A state dimension that hardly moves is made constant: scaling its jitter up to [-1, 1] would teach noise.
    An action dimension that is seldom used spans all that was done, since its quantiles would cut that off:
    of 18 tasks one turns the hand. Of a recording that is not ours the first two cameras are taken for the
    model's, or the only one for both.
    """
    moving = ~dataset.is_still | dataset.is_still.all()  # stills alone teach no action, but need a scale
    actions, states = dataset.actions[moving], dataset.states[moving]
    state, action = Quantiles.fit(states), Quantiles.fit(actions)
    jitters = state.q99 - state.q01 < NEGLIGIBLE_RANGE
    middle = (state.q01 + state.q99) / 2
    state = Quantiles(np.where(jitters, middle, state.q01), np.where(jitters, middle, state.q99))
    seldom = action.q99 - action.q01 < NEGLIGIBLE_RANGE
    low, high = actions.min(axis=0), actions.max(axis=0)
    action = Quantiles(np.where(seldom, low, action.q01), np.where(seldom, high, action.q99))
    facts: dict[str, Any] = {"action": action.to_dict(), "state": state.to_dict()}
    if dataset.renderer:
        facts["renderer"] = dataset.renderer
    if not dataset.has_scenes:
        if not dataset.cameras:
            raise DataError(f"{dataset.root} holds no pictures; a policy learns from a camera at least")
        cameras = (dataset.cameras * 2)[:2]
        facts |= {"plans": False, "cameras": dict(zip(("front", "wrist"), cameras, strict=True))}
    return {dataset.robot_type: facts}
