"""Co-fine-tuning: robot actions and image questions in one stream of batches (RT-2, arXiv:2307.15818).

A batch is a pure function of the seed and the step, so a resumed run sees what an unbroken one would have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vla.actions.bins import BinTokenizer
from vla.actions.locations import location_to_bins
from vla.actions.stats import Quantiles
from vla.data.collate import Sample, Turn, collate
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import Question, draw_questions, next_place
from vla.errors import DataError
from vla.model.configuration_vla import VLAConfig
from vla.model.processing_vla import VLAProcessor

NEGLIGIBLE_RANGE = 0.01
"""Metres, radians or share of the gripper's opening; of actions, share of what 1 stands for."""


class CoFineTuningBatches(Dataset[dict[str, torch.Tensor]]):
    """Item `step` is the batch of that step.

    Args:
        dataset: demonstrations of one embodiment, with stills for questions.
        processor, config: of the model to be trained.
        batch_size: images a batch.
        motion_share: share of images that are demonstration frames with their action; the rest are stills.
        questions_per_image: questions asked of every image, beside the action if there is one.
        languages: weight per language of the questions.
        max_tokens: questions that would make a sequence longer are left out, since all pay for the longest.
        families: question families to draw from, a repeated name counting twice; None for all of them.
        seed: decides every draw.
        steps: length of the stream.
    """

    def __init__(
        self,
        dataset: DemonstrationDataset,
        processor: VLAProcessor,
        config: VLAConfig,
        *,
        batch_size: int,
        motion_share: float,
        questions_per_image: int,
        languages: Mapping[str, float],
        max_tokens: int,
        families: Sequence[str] | None = None,
        seed: int,
        steps: int,
    ) -> None:
        self.dataset = dataset
        self.processor = processor
        self.config = config
        self.batch_size = batch_size
        self.motion_share = motion_share
        self.questions_per_image = questions_per_image
        self.languages = dict(languages)
        self.families = families
        self.max_tokens = max_tokens
        self.seed = seed
        self.steps = steps
        self.motion_frames = np.flatnonzero(~dataset.is_still)
        self.still_frames = np.flatnonzero(dataset.is_still)
        for name, frames, share in (
            ("demonstrations", self.motion_frames, motion_share),
            ("stills", self.still_frames, 1 - motion_share),
        ):
            if share > 0 and len(frames) == 0:
                raise DataError(
                    f"the dataset holds no {name}, but the mixture asks for a share of {share:g} of them"
                )
        robot = dataset.robot_type
        if robot not in config.embodiments:
            known = ", ".join(config.embodiments)
            raise DataError(f"the dataset is of robot {robot!r}; the model has statistics for {known}")
        self.action_stats = Quantiles.from_dict(config.embodiments[robot]["action"])
        self.state_stats = Quantiles.from_dict(config.embodiments[robot]["state"])
        if self.state_stats.dim != config.state_dim:
            raise DataError(
                f"states of robot {robot!r} have {self.state_stats.dim} numbers; "
                f"the model reads {config.state_dim}"
            )
        self.bins = BinTokenizer()
        self.prefix = processor.prefix_ids()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        """The batch of a step: see `collate`."""
        rng = np.random.default_rng([self.seed, step])
        samples = []
        for motion in rng.random(self.batch_size) < self.motion_share:
            frames = self.motion_frames if motion else self.still_frames
            frame = int(frames[rng.integers(len(frames))])
            scene = self.dataset.scene(frame)
            turns = [self.motion_turn(frame)] if motion else []
            asked = draw_questions(scene, rng, self.languages, self.questions_per_image, self.families)
            room = self.max_tokens - len(self.prefix) - sum(_length(turn) for turn in turns)
            for turn in map(self.question_turn, asked):
                if _length(turn) <= room:
                    turns.append(turn)
                    room -= _length(turn)
            samples.append(Sample(self.processor.image(self.dataset.image(frame)), turns))
        return collate(samples, self.prefix, self.processor.tokenizer.pad_token_id)

    def motion_turn(self, frame: int) -> Turn:
        """The actions that begin at a frame; past the episode's end, to stand still and say terminate.

        A model that plans first says where the hand moves to.
        """
        horizon = self.config.action_horizon
        end = int(self.dataset.episode_ends[frame])
        actions = self.dataset.actions[frame : min(frame + horizon, end)]
        missing = horizon - len(actions)
        hold = np.zeros_like(actions[-1])
        hold[-1] = actions[-1][-1]
        chunk = np.concatenate([actions, np.repeat(hold[None], missing, axis=0)])
        terminate = np.arange(horizon) >= len(actions)
        tokens = self.bins.chunk_to_bins(self.action_stats.normalise(chunk), terminate)
        plan: Iterable[int] = ()
        if self.config.plan:
            plan = location_to_bins(next_place(self.dataset.scene(frame)), self.config.location_range)
        return Turn(
            prompt=self.processor.motion_ids(self.dataset.instruction(frame)),
            target=self.processor.bin_ids([*plan, *tokens]),
            state=self.state_stats.normalise(self.dataset.states[frame]),
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


def _length(turn: Turn) -> int:
    return len(turn.prompt) + len(turn.target)


def embodiment_statistics(dataset: DemonstrationDataset) -> dict[str, Any]:
    """Normalisation statistics of a dataset in the form of `VLAConfig.embodiments`.

    A state dimension that hardly moves is made constant: scaling its jitter up to [-1, 1] would teach noise.
    An action dimension that is seldom used spans all that was done, since its quantiles would cut that off:
    of 18 tasks one turns the hand.
    """
    action, state = (dataset.stats[key] for key in ("action", "observation.state"))
    q01, q99 = np.array(state["q01"]), np.array(state["q99"])
    still = q99 - q01 < NEGLIGIBLE_RANGE
    middle = np.where(still, (q01 + q99) / 2, 0.0)
    quantiles = {"q01": np.where(still, middle, q01).tolist(), "q99": np.where(still, middle, q99).tolist()}
    seldom = np.array(action["q99"]) - np.array(action["q01"]) < NEGLIGIBLE_RANGE
    span = {
        name: np.where(seldom, action[bound], action[name]).tolist()
        for name, bound in (("q01", "min"), ("q99", "max"))
    }
    statistics = {"action": span, "state": quantiles}
    return {dataset.robot_type: statistics | ({"renderer": dataset.renderer} if dataset.renderer else {})}
