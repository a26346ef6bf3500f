"""How well a model answers questions about scenes that no training saw; the simulator knows the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

import sim
from sim.experts import expert_action
from sim.language import FAMILIES, POINT, Question, questions
from sim.language.vocabulary import Phrasing
from sim.scene import Scene
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS
from vla.actions.locations import location_text
from vla.data.vqa import draw_language
from vla.evaluation.drivers import CAMERA
from vla.evaluation.metrics import Rate, distance_cm
from vla.text.prompt import clean_question

if TYPE_CHECKING:
    from vla.inference.engine import Engine
    from vla.types import Answer

NEAR_CM = 2.0
"""A place is right when it is within half a block's width of the true one."""
SEPARATORS = " ,、"
"""What stands between the objects of an inventory, in any language."""
BATCH = 64
"""Questions answered at a time."""
MOVING_SHARE = 0.5
"""Share of the scenes that an expert is acting in; the others are stills."""
MAX_STEPS = 15
"""Actions of the expert before such a scene is looked at, at most."""
View = tuple[NDArray[np.uint8], dict[str, Any]]
"""A picture uint8[H, H, 3] and the truth."""


@dataclass(frozen=True)
class Asked:
    """A question and what came back.

    Attributes:
        question: with its true answer.
        answer: the model's.
        correct: whether they agree; every place must be within NEAR_CM.
        error_cm: distance of the place given, for an inventory the median; None where no place was given.
    """

    question: Question
    answer: Answer
    correct: bool
    error_cm: float | None


def draw_scenes(count: int, seed: int, image_size: int, split: str) -> Iterator[View]:
    """Yield pictures and truths: stills, and moments of demonstrations of every task.

    Args:
        count: how many.
        seed: scenes are those of env seeds from here on, which no demonstration uses.
        image_size: pixels.
        split: a name in `sim.variations.SPLITS`; of the tasks those that have it take part.

    Yields:
        uint8[H, W, 3] and the scene.
    """
    envs = {
        task: gymnasium.make(name, disable_env_checker=True, split=split, image_size=image_size)
        for task, name in sim.TASKS.items()
        if TASK_CLASSES[task].shapes(SPLITS[split])
    }
    try:
        for index in range(count):
            rng = np.random.default_rng([seed, index])
            task = list(envs)[index % len(envs)]
            if rng.random() < MOVING_SHARE:
                yield _moment(envs[task], task, seed + index, int(rng.integers(MAX_STEPS + 1)))
            else:
                still: Any = envs[task].unwrapped
                pixels, scene = still.sample_still(rng)
                yield pixels[CAMERA], scene
    finally:
        for env in envs.values():
            env.close()


def ask_about_scenes(
    engine: Engine,
    scenes: int,
    seed: int,
    languages: Mapping[str, float],
    split: str,
    families: Sequence[str] | None = None,
) -> list[Asked]:
    """Ask one question of each family about each scene, where the scene offers one.

    Args:
        engine: the model.
        scenes: how many.
        seed: of scenes and questions.
        languages: language -> weight.
        split: that the scenes are drawn from.
        families: asked about; None for all.

    Returns:
        Every question with its answer.
    """
    views = watch(draw_scenes(scenes, seed, engine.config.image_size, split), scenes)
    drawn = [
        (picture, question)
        for index, (picture, scene) in enumerate(views)
        for question in one_of_each(scene, [seed, index, 1], languages, families)
    ]
    return ask_all(engine, drawn)


def watch(views: Iterable[View], scenes: int) -> Iterable[View]:
    """Show how many scenes have been drawn."""
    return track(views, "drawing scenes", scenes, console=Console(stderr=True))


def one_of_each(
    scene: dict[str, Any],
    seed: Sequence[int],
    languages: Mapping[str, float],
    families: Sequence[str] | None = None,
    phrasing: Phrasing = "train",
) -> list[Question]:
    """A question of each family about a scene, all in one language; fewer where it offers too little.

    The same seed draws the same objects whatever the phrasing.
    """
    language = draw_language(languages, np.random.default_rng(seed))
    found = []
    for family in FAMILIES if families is None else families:
        rng = np.random.default_rng([*seed, FAMILIES.index(family)])
        found += questions(cast(Scene, scene), rng, language, 1, families=[family], phrasing=phrasing)
    return found


def ask_all(engine: Engine, drawn: Sequence[tuple[NDArray[np.uint8], Question]]) -> list[Asked]:
    """Ask questions about pictures uint8[H, H, 3] of the model's size, and judge the answers."""
    asked: list[Asked] = []
    for start in track(range(0, len(drawn), BATCH), "asking", console=Console(stderr=True)):
        pictures, part = zip(*drawn[start : start + BATCH], strict=True)
        # Only a question about a given place has its point as input; in the others it is the answer.
        points = [question.point if question.answer is not None else None for question in part]
        answers = engine.ask(np.stack(pictures), [question.question for question in part], points)
        asked += [judge(question, answer) for question, answer in zip(part, answers, strict=True)]
    return asked


def judge(question: Question, answer: Answer) -> Asked:
    """Compare an answer with the truth; an inventory must name what is there, no more and no less."""
    if question.places:
        return _judge_inventory(question, answer)
    if question.answer is not None:
        return Asked(question, answer, answer.text == clean_question(question.answer), None)
    assert question.point is not None
    error = None if answer.point is None else distance_cm(answer.point, question.point)
    return Asked(question, answer, error is not None and error <= NEAR_CM, error)


def _judge_inventory(question: Question, answer: Answer) -> Asked:
    assert question.answer is not None
    text = answer.text
    for place in answer.places:
        text = text.replace(location_text(place), POINT, 1)
    # In both texts a name stands before each place, and after the last one nothing.
    found, true = ([name.strip(SEPARATORS) for name in said.split(POINT)] for said in (text, question.answer))
    placed = dict(zip(found, answer.places, strict=False))
    truth = dict(zip(true, question.places, strict=False))
    errors = [distance_cm(placed[name], truth[name]) for name in truth if name in placed]
    correct = sorted(found) == sorted(true) and len(errors) == len(truth) and max(errors) <= NEAR_CM
    return Asked(question, answer, correct, median(errors) if errors else None)


def summarise(asked: Sequence[Asked]) -> dict[str, Any]:
    """Accuracy by family, and by language within it; for places also the median error in cm."""
    groups: dict[str, list[Asked]] = defaultdict(list)
    for item in asked:
        groups[item.question.family].append(item)
    return {
        family: _accuracy(items)
        | {
            "languages": {
                language: _accuracy([item for item in items if item.question.language == language])
                for language in sorted({item.question.language for item in items})
            }
        }
        for family, items in sorted(groups.items())
    }


def _accuracy(items: Sequence[Asked]) -> dict[str, Any]:
    rate = Rate.of([item.correct for item in items])
    summary: dict[str, Any] = {
        "questions": rate.trials,
        "correct": rate.successes,
        "accuracy": rate.value,
        "interval": list(rate.interval),
    }
    errors = [item.error_cm for item in items if item.error_cm is not None]
    if errors:
        summary["median_error_cm"] = median(errors)
    return summary


def _moment(env: gymnasium.Env[Any, Any], task: str, seed: int, steps: int) -> View:
    """A demonstration, stopped after some steps or at its end."""
    observation, info = env.reset(seed=seed)
    for _ in range(steps):
        if info["is_success"]:
            break
        observation, _, _, _, info = env.step(expert_action(task, info["scene"]))
    return observation["pixels"][CAMERA], info["scene"]
