"""Tasks from elsewhere: from a file, from an installed package, and one clear error for what is wrong."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import sim
from sim import plugins
from sim.errors import SimError
from sim.experts import EXPERTS, expert_action
from sim.language.vocabulary import LANGUAGES, vocabulary
from sim.tasks import TASK_CLASSES
from sim.tasks.pick_up import PickUp
from sim.tasks.reach import Reach

TEMPLATE = Path(__file__).parents[2] / "vla/assets/new_task/new_task.py"
WORDS = {"en": ["tap the {target}"], "ja": ["{target}をつついて"]}


class Tap(Reach):
    """As reach, under another name."""

    name = "tap"


TAP = plugins.TaskPlugin(Tap, EXPERTS["reach"], WORDS, WORDS, max_episode_steps=30)


@pytest.fixture
def world() -> Iterator[None]:
    """The world as it was is put back."""
    spoken = [
        words for name in LANGUAGES for words in (vocabulary(name).instructions, vocabulary(name).held_out)
    ]
    tables = [sim.TASKS, sim.MAX_EPISODE_STEPS, TASK_CLASSES, EXPERTS, gymnasium.registry, plugins._files]
    before = [(table, dict(table)) for table in (*spoken, *tables)]
    yield
    for table, content in before:
        table.clear()
        table.update(content)


@pytest.mark.usefixtures("world")
def test_a_task_of_a_file_can_be_made_asked_for_and_carried_out() -> None:
    plugins.load_file(TEMPLATE)
    plugins.load_file(TEMPLATE)  # once more changes nothing
    assert plugins.plugin_files() == [TEMPLATE.resolve()]
    env = gymnasium.make("sim:vla/NewTask-v0", cameras=(), split="paraphrases")
    _, info = env.reset(seed=0)
    assert info["instruction"].startswith("place the hand over the ")
    for _ in range(30):
        _, _, terminated, _, info = env.step(expert_action("new_task", info["scene"]))
        if terminated:
            break
    assert info["is_success"]
    env.close()


@pytest.mark.usefixtures("world")
def test_moments_of_a_new_task_hold_its_target_only_where_it_lifts() -> None:
    held = []
    for lifts in (False, True):
        task = type("Lift", (PickUp,), {"name": f"lift_{lifts}".lower(), "lifts": lifts})
        plugins.add_task(replace(TAP, task=task))
        env = gymnasium.make(sim.TASKS[task.name], cameras=()).unwrapped
        rng = np.random.default_rng(0)
        scenes = [env.sample_moment(rng, "ja")[1] for _ in range(40)]
        held.append(sum(scene["gripper"]["holding"] is not None for scene in scenes))
        env.close()
    assert held[0] == 0 < held[1]


def test_every_process_knows_the_tasks_of_the_variable_and_of_installed_packages(tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "tapping-1.dist-info").mkdir(parents=True)
    (package / "tapping-1.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: tapping\nVersion: 1\n"
    )
    (package / "tapping-1.dist-info/entry_points.txt").write_text("[vla.tasks]\ntap = tapping:TASK\n")
    source = TEMPLATE.read_text(encoding="utf-8").replace("new_task", "tap").replace("NewTask", "Tap")
    (package / "tapping.py").write_text(source, encoding="utf-8")
    environment = os.environ | {
        sim.PLUGIN_FILES: os.pathsep.join([str(TEMPLATE), str(package / "tapping.py")]),
        "PYTHONPATH": os.pathsep.join([str(package), str(TEMPLATE.parents[3])]),
    }
    code = "import sim; print(sorted(set(sim.TASKS) & {'new_task', 'tap'}))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "['new_task', 'tap']\n", done.stderr


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"task": type("Push", (Tap,), {"name": "push"})}, "there is a task 'push' already"),
        ({"task": type("Push", (Tap,), {"name": "Tap it"})}, "allowed are lower-case letters"),
        (
            {"task": type("Shape", (Tap,), {"roles": (("blok",),)})},
            "unknown shape 'blok'.*Did you mean 'block'",
        ),
        ({"instructions": {"en": ["tap the {target}"]}}, "in 'ja'; it needs a list of instructions"),
        ({"instructions": WORDS | {"en": "tap the {target}"}}, "in 'en'; it needs a list of instructions"),
        ({"held_out": {}}, "held-out ones, in each of en, ja"),
        ({"instructions": WORDS | {"en": ["tap it"]}}, "must name {target}"),
        ({"instructions": WORDS | {"en": ["tap the {target} and the {goal}"]}}, "must name {target}"),
        ({"max_episode_steps": 0}, "must be positive"),
    ],
)
def test_what_the_world_cannot_use_is_refused_whole(changes: dict[str, object], complaint: str) -> None:
    before = dict(sim.TASKS)
    with pytest.raises(SimError, match=complaint):
        plugins.add_task(replace(TAP, **changes))  # type: ignore[arg-type]
    assert before == sim.TASKS


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "there is no such file; write one with `vla new-task`"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("", "it defines no TASK"),
        ("TASK = 3", "it is of type int; it must be a sim.plugins.TaskPlugin"),
    ],
)
def test_a_file_that_holds_no_task_is_named(tmp_path: Path, content: str | None, complaint: str) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SimError, match=complaint) as error:
        plugins.load_file(file)
    assert str(file) in str(error.value)
