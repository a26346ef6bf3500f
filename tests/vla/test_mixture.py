import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sim.language import FAMILIES
from sim.still import still_scene
from sim.variations import find_split, slots
from vla.actions.bins import TOKENS_PER_ACTION
from vla.actions.embodiment import Embodiment
from vla.actions.locations import bins_to_location, location_to_bins
from vla.actions.stats import Quantiles
from vla.config import AugmentConfig, MixtureConfig
from vla.data.mixture import CoFineTuningBatches, TurnPacker, embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import (
    TABLE_RANGE,
    Question,
    draw_caption,
    draw_language,
    draw_questions,
    next_place,
    next_step,
    tokenizer_lines,
)
from vla.errors import DataError
from vla.evaluation.questions import judge
from vla.inference.engine import MAX_ANSWER_TOKENS, Engine
from vla.model.configuration_vla import VLAConfig
from vla.model.processing_vla import VLAProcessor
from vla.text.tokenizer import train_tokenizer

HORIZON = 3


@pytest.fixture(scope="module")
def dataset(dataset_folder: Path) -> DemonstrationDataset:
    return DemonstrationDataset(dataset_folder)


@pytest.fixture(scope="module")
def parts(make_model: Any) -> tuple[VLAConfig, VLAProcessor]:
    model, processor = make_model(horizon=HORIZON, plan=False)
    return model.config, processor


def packer(
    dataset: DemonstrationDataset, parts: tuple[VLAConfig, VLAProcessor], seed: int = 0, **changes: Any
) -> TurnPacker:
    settings: dict[str, Any] = {"questions_per_image": 2, "max_tokens": 160}
    return TurnPacker(dataset, parts[1], parts[0], MixtureConfig(**(settings | changes)), seed)


def mixture(
    dataset: DemonstrationDataset,
    parts: tuple[VLAConfig, VLAProcessor],
    batch_size: int = 6,
    seed: int = 0,
    **changes: Any,
) -> CoFineTuningBatches:
    rows = packer(dataset, parts, seed, **changes)
    return CoFineTuningBatches(rows, batch_size=batch_size, seed=seed, steps=50)


def test_a_batch_is_a_function_of_seed_and_step(dataset: DemonstrationDataset, parts: Any) -> None:
    first, again = mixture(dataset, parts), mixture(dataset, parts)
    again[3], again[0]  # what was drawn before does not matter
    batch = first[7]
    assert all(torch.equal(batch[key], again[7][key]) for key in batch)
    for other in (first[8], mixture(dataset, parts, seed=1)[7]):
        assert any(
            batch[key].shape != other[key].shape or not torch.equal(batch[key], other[key]) for key in batch
        )
    assert len(first) == 50


def test_one_episode_in_many_is_held_out(
    dataset: DemonstrationDataset, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mixture(dataset, parts).validation() is None, "six episodes are too few"
    monkeypatch.setattr("vla.data.mixture.HELD_OUT_EVERY", 3)  # the third and the last, which is of stills
    learned = mixture(dataset, parts, batch_size=40)
    apart = learned.validation()
    assert apart is not None
    frames = np.flatnonzero(np.isin(dataset.episode_index, [2, 5])).tolist()
    pictures = {dataset.image(frame).tobytes() for frame in frames}
    assert all(image.tobytes() in pictures for image in apart[0]["pixel_values"].numpy())
    assert not any(image.tobytes() in pictures for image in learned[0]["pixel_values"].numpy())


def test_a_kind_of_which_all_would_be_held_out_is_learned(
    dataset: DemonstrationDataset, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mixture(dataset, parts)[0]
    monkeypatch.setattr("vla.data.mixture.HELD_OUT_EVERY", 1)
    batches = mixture(dataset, parts)
    assert batches.validation() is None
    assert all(torch.equal(value, batches[0][name]) for name, value in expected.items())


def test_only_the_first_demonstrations_are_learned_from_if_so_asked(
    dataset: DemonstrationDataset, parts: Any
) -> None:
    rows = packer(dataset, parts, demonstrations=2)
    assert set(dataset.episode_index[rows.frames[: rows.motion_rows]]) == {0, 1}
    assert set(dataset.episode_index[rows.frames[rows.motion_rows :]]) == {4, 5}, "stills are all there"


def test_a_model_with_a_wrist_camera_sees_its_pictures_where_it_moves(
    dataset: DemonstrationDataset, make_model: Any
) -> None:
    model, processor = make_model(horizon=HORIZON, wrist=True)
    batch = mixture(dataset, (model.config, processor), batch_size=20)[3]
    placeholders = (batch["input_ids"] == processor.image_token_id).sum(dim=1) - processor.num_image_tokens
    moving = (batch["input_ids"] == processor.state_token_id).any(dim=1)
    assert torch.equal(placeholders, moving * processor.num_wrist_tokens)
    assert len(batch["wrist_values"]) == len(batch["states"]) == moving.sum()
    for picture, state in zip(batch["wrist_values"], batch["states"], strict=True):
        stats = Quantiles.from_dict(model.config.embodiments["panda"]["state"])
        (frame,) = np.flatnonzero((stats.normalise(dataset.states) == state.numpy()).all(axis=1))
        assert picture.shape == (32, 32, 3) and (picture == dataset.image(int(frame), "wrist")[0, 0, 0]).all()


def test_pictures_are_varied_as_asked(dataset: DemonstrationDataset, parts: Any) -> None:
    rows = packer(dataset, parts)
    settings = AugmentConfig(shift=0.1, light=0.5)
    plain, varied, again = (
        CoFineTuningBatches(rows, batch_size=6, seed=0, steps=50, augmentation=augmentation)[7]
        for augmentation in (None, settings, settings)
    )
    assert not torch.equal(plain["pixel_values"], varied["pixel_values"])
    assert all(torch.equal(plain[name], varied[name]) for name in plain if name != "pixel_values")
    assert all(torch.equal(varied[name], again[name]) for name in varied)


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_the_share_of_motion_is_kept(dataset: DemonstrationDataset, parts: Any, share: float) -> None:
    stream = mixture(dataset, parts, motion_share=share, batch_size=20)
    state_token = parts[0].state_token_id
    rows = torch.cat([(stream[step]["input_ids"] == state_token).any(dim=1) for step in range(10)])
    assert float(rows.float().mean()) == pytest.approx(share, abs=0.1)
    assert ("states" in stream[0]) == (share > 0)


def test_images_come_from_the_right_episodes(dataset: DemonstrationDataset, parts: Any) -> None:
    stills, moving = (
        {dataset.image(int(frame)).tobytes() for frame in np.flatnonzero(chosen)}
        for chosen in (dataset.is_still, ~dataset.is_still)
    )
    for share, source in ((0.0, stills), (1.0, moving)):
        pixels = mixture(dataset, parts, motion_share=share)[0]["pixel_values"].numpy()
        assert all(image.tobytes() in source for image in pixels)


def test_a_chunk_of_actions_inside_an_episode(dataset: DemonstrationDataset, parts: Any) -> None:
    stream = packer(dataset, parts)
    turn = stream.motion_turn(1, "go")
    bins = np.array(turn.target) - parts[0].bin_token_start
    actions, terminate = stream.bins.bins_to_chunk(bins)
    assert not terminate.any()
    restored = stream.embodiment.action.denormalise(actions)
    low, high = stream.embodiment.action.q01, stream.embodiment.action.q99
    expected = np.clip(dataset.actions[1 : 1 + HORIZON], low, high)
    assert (np.abs(restored - expected) <= (high - low) / 512 + 1e-6).all()
    assert (restored[:, 3:5] == 0).all()
    assert turn.prompt == parts[1].motion_ids("go")
    assert turn.state is not None
    np.testing.assert_array_equal(turn.state, stream.embodiment.state.normalise(dataset.states[1]))


@pytest.mark.parametrize("before_end", [1, 2])
def test_past_its_end_an_episode_stands_still_and_says_so(
    dataset: DemonstrationDataset, parts: Any, before_end: int
) -> None:
    stream = packer(dataset, parts)
    frame = int(dataset.episode_ends[0]) - before_end
    bins = np.array(stream.motion_turn(frame, "go").target) - parts[0].bin_token_start
    actions, terminate = stream.bins.bins_to_chunk(bins)
    assert terminate.tolist() == [False] * before_end + [True] * (HORIZON - before_end)
    rest = stream.embodiment.action.denormalise(actions)[before_end:]
    assert np.abs(rest[:, :6]).max() < 0.01  # half a bin
    # The gripper keeps what it last did: opening it would drop the block.
    low, high = float(stream.embodiment.action.q01[6]), float(stream.embodiment.action.q99[6])
    last = np.clip(dataset.actions[dataset.episode_ends[0] - 1, 6], low, high)
    np.testing.assert_allclose(rest[:, 6], last, atol=0.01)


def test_after_a_moment_nothing_is_known(
    dataset: DemonstrationDataset, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = int(dataset.episode_ends[0]) - 1
    whole = packer(dataset, parts).motion_turn(frame, "go")
    monkeypatch.setattr(dataset, "succeeds", np.zeros(len(dataset), dtype=bool))
    turn = packer(dataset, parts).motion_turn(frame, "go")
    assert turn.target == whole.target[:TOKENS_PER_ACTION], "its action, and no word of what follows"


def test_a_plan_comes_before_the_actions(dataset: DemonstrationDataset, parts: Any) -> None:
    config, processor = parts
    planning = VLAConfig(**{**config.to_dict(), "plan": True})
    target = packer(dataset, (planning, processor)).motion_turn(1, "go").target
    assert target[2:] == packer(dataset, parts).motion_turn(1, "go").target
    place = bins_to_location(np.array(target[:2]) - config.bin_token_start, config.location_range)
    np.testing.assert_allclose(place, next_place(dataset.scene(1)), atol=0.0012)  # half a bin


def test_an_image_is_learned_with_other_instructions(dataset: DemonstrationDataset, make_model: Any) -> None:
    model, processor = make_model(horizon=HORIZON, wrist=True)
    config = VLAConfig(**{**model.config.to_dict(), "plan": True})
    stream = packer(dataset, (config, processor), instructions_per_image=3, max_tokens=400)
    others = 0
    for row in range(stream.motion_rows):
        own, *rest = [turn for turn in stream.turns(row) if turn.state is not None]
        for turn in rest:
            others += 1
            assert turn.prompt != own.prompt
            np.testing.assert_array_equal(turn.state, own.state)
            bins = np.array(turn.target) - config.bin_token_start
            assert len(bins) == 2 + TOKENS_PER_ACTION, "a plan and the next action; what follows is not known"
    assert others > stream.motion_rows
    batch = CoFineTuningBatches(stream, batch_size=20, seed=0, steps=50)[3]
    asked = (batch["input_ids"] == processor.state_token_id).sum(dim=1)
    assert asked.max() == 3 and len(batch["states"]) == len(batch["wrist_values"]) == (asked > 0).sum()


def test_a_share_of_the_instructions_come_with_the_next_step(
    dataset: DemonstrationDataset, parts: Any
) -> None:
    none, all_of_them = (packer(dataset, parts, step_share=share, max_tokens=200) for share in (0.0, 1.0))
    plain = 0
    for row in range(none.motion_rows):
        frame = int(none.frames[row])
        instruction = dataset.instruction(frame)
        step = next_step(dataset.scene(frame), instruction)
        plain += step is not None
        assert none.turns(row)[0].prompt == parts[1].motion_ids(instruction)
        assert all_of_them.turns(row)[0].prompt == parts[1].motion_ids(instruction, step)
    assert plain > none.motion_rows / 2


def test_answers_are_words_or_places(dataset: DemonstrationDataset, parts: Any) -> None:
    stream, processor = packer(dataset, parts), parts[1]
    end = processor.tokenizer.eos_token_id
    words = stream.question_turn(Question("is there a red block?", "yes", None, "existence", "en"))
    assert words.target == processor.answer_ids("yes") and words.state is None
    assert words.prompt == processor.question_ids("is there a red block?")
    point = (0.42, -0.11)
    bins = location_to_bins(point, parts[0].location_range)
    where = stream.question_turn(Question("where is the red block?", None, point, "location", "en"))
    assert where.target == [*processor.bin_ids(bins), end]
    named = stream.question_turn(Question("what is at {point}?", "red block", point, "color_at", "en"))
    assert named.target == processor.answer_ids("red block")
    assert named.prompt == processor.question_ids("what is at {point}?", bins)
    places = ((0.5, 0.1), (0.6, -0.2))
    asked = Question(
        "what is there?", "red block {point}, blue bowl {point}", None, "inventory", "en", places
    )
    listed = stream.question_turn(asked)
    written = [location_to_bins(place, parts[0].location_range) for place in places]
    assert listed.target == [
        *processor.text_ids(" red block "),
        *processor.bin_ids(written[0]),
        *processor.text_ids(", blue bowl "),
        *processor.bin_ids(written[1]),
        end,
    ]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_true_answer_can_be_written_and_is_judged_right(
    dataset: DemonstrationDataset, make_model: Any, language: str
) -> None:
    model, processor = make_model(horizon=HORIZON)
    engine = Engine(model, processor)
    stream = packer(dataset, (model.config, processor), languages={language: 1.0})
    rng = np.random.default_rng(0)
    families = set()
    # The tests' tokenizer has few words, so that an inventory fits into an answer in scenes of blocks only.
    small = [(dataset.scene(frame), list(FAMILIES)) for frame in range(len(dataset))]
    others = [family for family in FAMILIES if family != "inventory"]
    large = [(dict(still_scene(rng, "seen", slots(find_split("seen")))), others) for _ in range(60)]
    for scene, asked in small + large:
        drawn = [draw_questions(scene, rng, {language: 1.0}, 3, [family]) for family in asked]
        for question in itertools.chain(*drawn):
            families.add(question.family)
            target = stream.question_turn(question).target
            assert len(target) <= MAX_ANSWER_TOKENS, question
            state, english = engine.grammar.begin([question.question]), torch.tensor([language == "en"])
            for token in target:
                assert bool(engine.grammar.allowed(state, english)[0, token]), question
                state = engine.grammar.advance(state, torch.tensor([token]))
            answer = engine._answer(np.array(target), np.ones(len(target), np.float32))
            assert judge(question, answer).correct, (question, answer)
    assert families == set(FAMILIES)


def test_the_longest_inventory_fits_into_an_answer(dataset: DemonstrationDataset) -> None:
    processor = VLAProcessor(train_tokenizer(tokenizer_lines(2000, seed=0)))
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(400):
        scene = still_scene(rng, "seen", slots(find_split("seen")))
        asked = next(iter(draw_questions(scene, rng, {"ja": 1.0}, 1, ["inventory"])), None)
        if asked is None:  # something is held, and nothing else there
            continue
        assert asked.answer is not None and asked.places
        lengths.append(len(processor.answer_ids(asked.answer, [(0, 0)] * len(asked.places))))
    assert 44 < max(lengths) <= MAX_ANSWER_TOKENS


def test_every_batch_learns_something_and_fits_its_tokens(dataset: DemonstrationDataset, parts: Any) -> None:
    config, processor = parts
    stream = mixture(dataset, parts)
    for step in range(10):
        batch = stream[step]
        assert bool((batch["labels"] >= 0).any(dim=1).all())
        assert bool((batch["labels"] < len(processor.tokenizer)).all())
        assert int((batch["input_ids"] == config.image_token_id).sum()) == 6 * config.num_image_tokens
        assert int((batch["input_ids"] == config.state_token_id).sum()) == len(batch.get("states", []))


def test_some_instructions_and_questions_are_mistyped(dataset: DemonstrationDataset, parts: Any) -> None:
    rows = range(20)
    right, wrong = (packer(dataset, parts, typo_share=share) for share in (0.0, 1.0))
    for row in rows:
        before, after = right.turns(row)[0], wrong.turns(row)[0]
        assert before.target == after.target
        assert before.prompt == parts[1].motion_ids(dataset.instruction(int(right.frames[row])))
    changed = [right.turns(row)[0].prompt != wrong.turns(row)[0].prompt for row in rows]
    assert np.mean(changed) > 0.8


def test_some_instructions_and_questions_stand_in_a_longer_sentence(
    dataset: DemonstrationDataset, parts: Any
) -> None:
    plain, framed = (packer(dataset, parts, framed_share=share, max_tokens=200) for share in (0.0, 1.0))
    for row in range(20):
        before, after = plain.turns(row)[0], framed.turns(row)[0]
        assert before.target == after.target
        assert len(after.prompt) > len(before.prompt)


def test_no_sequence_is_longer_than_allowed(dataset: DemonstrationDataset, parts: Any) -> None:
    few = mixture(dataset, parts, max_tokens=100, motion_share=1.0, questions_per_image=4)
    many = mixture(dataset, parts, max_tokens=160, motion_share=1.0, questions_per_image=4)
    lengths = [[stream[step]["input_ids"].shape[1] for step in range(8)] for stream in (few, many)]
    assert max(lengths[0]) <= 100 < max(lengths[1]) <= 160
    # What is left out are questions, never the action.
    assert all(len(few[step]["states"]) == 6 for step in range(8))


def test_an_action_that_does_not_fit_is_refused(dataset: DemonstrationDataset, parts: Any) -> None:
    long = VLAConfig(**{**parts[0].to_dict(), "action_horizon": 8})
    with pytest.raises(DataError, match=r"take \d+ tokens; mixture.max_tokens is 64, raise it"):
        mixture(dataset, (long, parts[1]), max_tokens=64)


def test_a_picture_that_leaves_no_room_is_refused(dataset: DemonstrationDataset, parts: Any) -> None:
    large = copy.copy(parts[1])
    large.num_image_tokens = 64
    with pytest.raises(DataError, match=r"a picture takes \d+ tokens; mixture.max_tokens is 64, raise it"):
        mixture(dataset, (parts[0], large), max_tokens=64)


def test_statistics_are_those_of_what_is_done(dataset: DemonstrationDataset) -> None:
    statistics = embodiment_statistics(dataset)
    assert list(statistics) == ["panda"]
    assert set(statistics["panda"]) == {"action", "state"}
    done = ~dataset.is_still
    assert not done.all()
    for values, found in ((dataset.actions, "action"), (dataset.states, "state")):
        np.testing.assert_allclose(statistics["panda"][found]["q99"], Quantiles.fit(values[done]).q99)


def test_stills_alone_have_statistics_too(dataset_folder: Path) -> None:
    dataset = DemonstrationDataset(dataset_folder)
    dataset.is_still = np.ones(len(dataset), bool)
    embodiment = Embodiment.from_dict("panda", embodiment_statistics(dataset)["panda"])
    assert embodiment.action.dim == 7


def test_an_action_that_is_seldom_used_keeps_its_range(dataset_folder: Path) -> None:
    dataset = DemonstrationDataset(dataset_folder)
    dataset.is_still = np.zeros(1000, bool)
    dataset.states = np.zeros((1000, 2), np.float32)
    dataset.actions = np.stack([np.zeros(1000), np.linspace(-1, 1, 1000)], axis=1)
    dataset.actions[:2, 0] = -0.5, 0.75
    action = Quantiles.from_dict(embodiment_statistics(dataset)["panda"]["action"])
    np.testing.assert_allclose(action.q01, [-0.5, -0.98], atol=1e-6)
    np.testing.assert_allclose(action.q99, [0.75, 0.98], atol=1e-6)


def test_a_state_that_only_jitters_is_constant(dataset_folder: Path) -> None:
    dataset = DemonstrationDataset(dataset_folder)
    dataset.is_still = np.zeros(1000, bool)
    dataset.actions = np.zeros((1000, 2), np.float32)
    dataset.states = np.stack([np.linspace(0.2, 0.201, 1000), np.linspace(-1, 1, 1000)], axis=1)
    statistics = Quantiles.from_dict(embodiment_statistics(dataset)["panda"]["state"])
    assert statistics.constant.tolist() == [True, False]
    assert statistics.q01.tolist() == pytest.approx([0.2005, -0.98], abs=1e-6)


@pytest.mark.parametrize(
    ("is_still", "share", "missing"), [(True, 0.5, "demonstrations"), (False, 0.5, "stills")]
)
def test_a_mixture_of_what_is_not_there_is_refused(
    dataset_folder: Path, parts: Any, is_still: bool, share: float, missing: str
) -> None:
    half = DemonstrationDataset(dataset_folder)
    half.is_still = np.full(len(half), is_still)
    with pytest.raises(DataError, match=f"holds no {missing}"):
        mixture(half, parts, motion_share=share)
    mixture(half, parts, motion_share=0.0 if is_still else 1.0)


def test_a_dataset_of_another_robot_is_refused(dataset_folder: Path, parts: Any) -> None:
    other = DemonstrationDataset(dataset_folder)
    other.info["robot_type"] = "ur5"
    with pytest.raises(DataError, match=r"'ur5'.*panda"):
        mixture(other, parts)


def test_pictures_of_another_size_are_brought_to_the_models(
    tmp_path: Path, write_demonstrations: Any, parts: Any
) -> None:
    large = DemonstrationDataset(write_demonstrations(tmp_path / "large", image_size=48))
    assert mixture(large, parts)[0]["pixel_values"].shape == (6, 32, 32, 3)


def test_a_language_is_drawn_by_its_weight() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_language({"en": 3, "ja": 1, "de": 0}, rng) for _ in range(2000)]
    assert drawn.count("en") == pytest.approx(1500, abs=80)
    assert "de" not in drawn


def test_questions_and_captions_follow_the_language(dataset: DemonstrationDataset) -> None:
    scene = dataset.scene(0)
    for language, is_ascii in (("en", True), ("ja", False)):
        rng = np.random.default_rng(0)
        asked = draw_questions(scene, rng, {language: 1.0}, 4)
        assert asked and all(question.question.isascii() == is_ascii for question in asked)
        assert draw_caption(scene, rng, {language: 1.0}).isascii() == is_ascii


def test_places_are_written_on_the_scale_of_the_questions() -> None:
    assert [list(axis) for axis in TABLE_RANGE] == [[0.30, 0.70], [-0.30, 0.30]]
