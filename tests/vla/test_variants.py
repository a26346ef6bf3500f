"""Programs of scripts/variants: what they train is what they play."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from tests.vla.conftest import ModelFactory
from tests.vla.runs import collate
from vla.actions.locations import location_to_bins
from vla.config import MixtureConfig
from vla.data import mixture
from vla.data.collate import Turn, turn_mask
from vla.data.mixture import TurnPacker
from vla.data.reader import DemonstrationDataset
from vla.errors import CheckpointError
from vla.inference.constraints import choose_bin
from vla.inference.engine import Engine, _Decoder
from vla.model import modeling_vla
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor
from vla.training import supervised
from vla.training.checkpoint import load_model, save_model

Loader = Callable[[str], dict[str, Any]]
VARIANTS = Path(__file__).parents[2] / "scripts/variants"
CHANGED = (
    (supervised, "embodiment_statistics"),
    (supervised, "load_model"),
    (supervised, "supervised_loss"),
    (supervised, "next_token_losses"),
    (mixture, "cached_arrays"),
    (mixture, "next_action"),
    (modeling_vla, "build_decoder"),
    (TurnPacker, "__init__"),
    (TurnPacker, "motion_turn"),
    (TurnPacker, "turns"),
    (VLAForConditionalGeneration, "__init__"),
    (VLAForConditionalGeneration, "embed"),
    (VLAProcessor, "prefix_ids"),
    (VLAProcessor, "motion_ids"),
    (VLAProcessor, "question_ids"),
    (Engine, "_write"),
    (Engine, "act"),
    (_Decoder, "drop"),
)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Run a variant's file, which changes the package; afterwards it is as before."""
    monkeypatch.setattr(sys, "path", [str(VARIANTS), *sys.path])

    def run(name: str) -> dict[str, Any]:
        for owner, attribute in CHANGED:
            monkeypatch.setattr(owner, attribute, getattr(owner, attribute))
        names = runpy.run_path(str(VARIANTS / name))
        monkeypatch.delitem(sys.modules, "one_turn", raising=False)
        return names

    return run


@torch.no_grad()
@pytest.mark.parametrize("plan", [True, False])
def test_actions_in_one_pass_follow_from_no_action(
    plan: bool, make_model: ModelFactory, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(
        supervised, "supervised_loss", lambda *_: lambda _, batch: seen.append(batch["input_ids"])
    )
    variant = load("one_pass.py")
    model, processor = make_model(plan=plan)
    engine = Engine(model, processor)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    state = rng.uniform(-0.4, 0.6, 7).astype(np.float32)
    (chunk,) = engine.act(image[None], state[None], ["pick up the red block"])
    lead, count, start = engine.plan_tokens, len(engine.slots), model.config.bin_token_start
    # Whatever the actions were, the loss is shown none of them; a plan, if there is one, as it is.
    scaled = engine.embodiment.scale_states(state[None], model.config.state_dim)[0]
    places = [] if chunk.plan is None else location_to_bins(chunk.plan, model.config.location_range)
    target = processor.bin_ids([*places, *rng.integers(0, 256, count - lead).tolist()])
    turn = Turn(processor.motion_ids("pick up the red block"), target, scaled)
    batch = collate([(image, [turn])], processor.prefix_ids(), processor.tokenizer.pad_token_id)
    variant["hiding_loss"](model.config, 0.0, 1.0)(model, batch)
    (ids,) = seen
    changed = ids != batch["input_ids"]
    assert changed.sum() == count - lead and (ids[changed] == variant["HIDDEN"]).all()
    logits = model(
        input_ids=ids,
        pixel_values=batch["pixel_values"],
        states=batch["states"],
        attention_mask=turn_mask(batch["segments"]),
        position_ids=batch["position_ids"],
        logits_at=batch["labels"] >= 0,
    ).logits[lead:, start : start + 256]
    _, bins = choose_bin(logits.masked_fill(~engine.slots[lead:], -torch.inf), place=False)
    actions, _ = engine.bins.bins_to_chunk(bins.numpy(), engine.embodiment.action.dim)
    np.testing.assert_allclose(engine.embodiment.action.denormalise(actions), chunk.actions, atol=1e-6)


def test_fast_reads_the_actions_that_it_has_written(
    make_model: ModelFactory, load: Loader, dataset_folder: Path
) -> None:
    load("fast.py")
    model, processor = make_model(horizon=3)
    with pytest.raises(CheckpointError, match="writes bins"):
        Engine(model, processor)._write(cast(Any, None), 1)
    dataset = DemonstrationDataset(dataset_folder)
    packer = TurnPacker(dataset, processor, model.config, MixtureConfig(questions_per_image=0), 0)
    engine = Engine(model, processor)
    frames = packer.frames[: packer.motion_rows].tolist()
    targets = [packer.motion_turn(frame, "pick up the red block").target for frame in frames]

    class Scripted:
        """Wants the tokens of one decision after the other."""

        hidden = torch.zeros(len(targets), 1, 1)
        at = 0

        def feed(self, tokens: torch.Tensor) -> torch.Tensor:
            self.at += 1
            return self.hidden

        def logits(self, hidden: torch.Tensor) -> torch.Tensor:
            wanted = torch.tensor([target[min(self.at, len(target) - 1)] for target in targets])
            return 9 * torch.nn.functional.one_hot(wanted, model.decoder.config.vocab_size)[:, None].float()

    bins, _ = engine._write(cast(Any, Scripted()), len(targets))
    assert len({len(target) for target in targets}) > 1
    for frame, row in zip(frames, bins.numpy(), strict=True):
        actions, terminate = engine.bins.bins_to_chunk(row[2:])
        count = min(3, int(dataset.episode_ends[frame]) - frame)
        wanted = packer.embodiment.action.normalise(dataset.actions[frame : frame + count])
        assert terminate.tolist() == [False] * count + [True] * (3 - count)
        np.testing.assert_allclose(actions[:count], wanted, atol=0.1)  # half a step of each frequency


def test_a_token_of_fast_has_no_neighbours(load: Loader, make_model: ModelFactory) -> None:
    variant = load("fast.py")
    model, processor = make_model(horizon=3)
    turn = Turn(processor.motion_ids("go"), processor.bin_ids([10, 20, 3, 40]), np.zeros(7, np.float32))
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    batch = collate([(image, [turn])], processor.prefix_ids(), processor.tokenizer.pad_token_id)
    losses = {}
    for sigma in (0.0, 2.0):
        _, losses[sigma] = variant["sharp_loss"](model.config, sigma, 1.0)(model, batch)
    assert losses[0.0]["loss/motion"] == losses[2.0]["loss/motion"]
    assert losses[0.0]["loss/plan"] != losses[2.0]["loss/plan"]


def test_a_hand_is_led_to_one_waypoint_after_the_other(load: Loader) -> None:
    way = load("waypoints.py")["way"]
    state = np.array([0.5, 0.0, 0.2, 0.0, 0.0, 0.1, 1.0], dtype=np.float32)
    near, far = [0.51, 0.0, 0.2, 0.0, 0.0, 0.1, 1.0], [0.51, 0.2, 0.175, 0.0, 0.0, 0.6, -1.0]
    actions = way(state, np.array([near, far], dtype=np.float32))
    np.testing.assert_allclose(actions[0], [0.2, 0, 0, 0, 0, 0, 1], atol=1e-5)  # 1 of 5 cm
    np.testing.assert_allclose(actions[1], [0, 1, -0.5, 0, 0, 1, -1], atol=1e-5)


def test_words_come_before_pictures(make_model: ModelFactory, load: Loader) -> None:
    _, processor = make_model(wrist=True)
    before = processor.prefix_ids() + processor.motion_ids("pick up the red block")
    load("language_first.py")
    ids = processor.prefix_ids() + processor.motion_ids("pick up the red block")
    seen = [processor.image_token_id] * (processor.num_image_tokens + processor.num_wrist_tokens)
    assert ids[-len(seen) - 1 :] == [*seen, processor.state_token_id]
    assert sorted(ids) == sorted(before) and ids != before


def test_a_picture_without_words_is_there(
    make_model: ModelFactory, load: Loader, dataset_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TurnPacker, "turns", lambda *_: [])  # as of a still of which nothing can be asked
    load("language_first.py")
    model, processor = make_model()
    packer = TurnPacker(DemonstrationDataset(dataset_folder), processor, model.config, MixtureConfig(), 0)
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    batch = collate([(image, packer.turns(0))], processor.prefix_ids(), processor.tokenizer.pad_token_id)
    assert model.embed(batch["input_ids"], batch["pixel_values"]).shape[1] == 1 + processor.num_image_tokens
    assert (batch["labels"] < 0).all()


@torch.no_grad()
def test_film_lets_the_words_of_an_instruction_change_the_picture(
    make_model: ModelFactory, load: Loader
) -> None:
    load("film.py")
    model, processor = make_model(wrist=True)
    pictures = torch.randint(0, 256, (2, 1, 32, 32, 3), dtype=torch.uint8)

    def front(prompt: list[int]) -> torch.Tensor:
        ids = torch.tensor([processor.prefix_ids() + prompt])
        moves = processor.state_token_id in prompt
        rest = (torch.zeros(1, 7), pictures[1]) if moves else (None, None)
        return model.embed(ids, pictures[0], *rest)[0, 1 : 1 + processor.num_image_tokens]

    red, green = (processor.motion_ids(f"pick up the {color} block") for color in ("red", "green"))
    asked, other = (processor.question_ids(f"where is the {color} block?") for color in ("red", "green"))
    assert torch.equal(front(red), front(green))  # nothing is scaled at first
    model.film.weight.normal_()
    assert not torch.allclose(front(red), front(green))
    assert torch.equal(front(asked), front(other))


def test_a_recurrent_decoder_decides_alone_as_among_others(make_model: ModelFactory, load: Loader) -> None:
    load("recurrent.py")
    engine = Engine(*make_model(wrist=True))
    rng = np.random.default_rng(0)
    images, wrists = rng.integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
    states = rng.uniform(-0.4, 0.6, (3, 7)).astype(np.float32)
    told = ["go", "pick up the red block", "put the yellow block in the blue bowl on the left"]
    together = engine.act(images, states, told, wrists)
    for k, chunk in enumerate(together):
        one = slice(k, k + 1)
        (alone,) = engine.act(images[one], states[one], told[one], wrists[one])
        np.testing.assert_allclose(alone.actions, chunk.actions, atol=1e-5)


def test_a_model_is_altered_before_it_goes_on(make_model: ModelFactory, load: Loader, tmp_path: Path) -> None:
    ablations = load("../ablations.py")
    save_model(tmp_path / "asked", *make_model(wrist=True), {})
    changes = {name: variant.model for name, variant in ablations["VARIANTS"].items() if variant.model}
    images = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    for name, change in changes.items():
        folder = ablations["altered"](tmp_path / "asked", tmp_path / name, change)
        engine = Engine(*load_model(folder))
        wrists = images if engine.config.num_wrist_tokens else None
        (chunk,) = engine.act(images, np.zeros((1, 7), dtype=np.float32), ["pick up the red block"], wrists)
        assert change.items() <= vars(engine.config).items()
        assert len(chunk.actions) == engine.config.action_horizon
        assert (chunk.plan is not None) == engine.config.plan
