"""Any gymnasium env through its recipe: what is seen, told and recorded, and clear errors."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest

from vla.config import EnvRecipe
from vla.config_files import load_config
from vla.data.adapted import AdaptedEnv, load_function
from vla.data.collect_env import describe_env, record_env_attempt
from vla.data.leading import LEAD_STEPS
from vla.data.schema import ACTION, EXECUTED_ACTION
from vla.errors import ConfigError, UnknownNameError
from vla.types import ActionChunk

HERE = Path(__file__).parent
FACTS: dict[str, Any] = {
    "env": "Fake-v0",
    "name": "fake",
    "robot": "fake",
    "fps": 10,
    "images": {"front": "pixels/top"},
    "image_size": 16,
    "state": ["joints", "hand/place[0:2]"],
    "instruction": ["go", "walk"],
    "success": "won",
}


class Fake(gymnasium.Env[Any, Any]):
    """Is won when the first action has summed up to 1."""

    action_space = gymnasium.spaces.Box(-0.5, 0.5, (2,), np.float32)
    observation_space = gymnasium.spaces.Dict()

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.total = np.zeros(2)
        return self.observation(), {"task": {"said": "run"}}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.total += action
        return self.observation(), 0.0, False, bool(self.total[1] > 2), {"won": self.total[0] >= 1}

    def render(self) -> None:
        return None

    def observation(self) -> dict[str, Any]:
        picture = np.full((20, 30, 3), 7, np.uint8)
        return {
            "pixels": {"top": picture, "pale": picture.astype(np.float32) / 255},
            "joints": self.total,
            "hand": {"place": np.arange(3.0)},
        }


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gymnasium, "make", lambda name, **_: Fake())


def adapted(**changes: Any) -> AdaptedEnv:
    return AdaptedEnv(EnvRecipe.model_validate(FACTS | changes), HERE)


def test_what_is_seen_and_told() -> None:
    env = adapted()
    env.reset(3)
    seen = env.observe()
    assert seen.pixels["front"].shape == (16, 16, 3) and (seen.pixels["front"] == 7).all()
    assert seen.agent_pos.tolist() == [0, 0, 0, 1] and seen.agent_pos.dtype == np.float32
    told = [told_at(env, seed) for seed in range(12)]
    assert set(told) == {"go", "walk"} and told == [told_at(env, seed) for seed in range(12)]
    assert told_at(adapted(instruction=[], instruction_at="task/said"), 0) == "run"


def test_a_function_may_take_a_picture_of_the_env(tmp_path: Path) -> None:
    file = tmp_path / "eyes.py"
    file.write_text(
        "import numpy as np\n"
        "def wrist(env):\n"
        "    return np.full((16, 16, 3), int(env.total[0] * 100), np.uint8)\n"
        "def blind(env):\n"
        "    return None\n"
    )
    images = {"front": "pixels/top", "wrist": "eyes.py:wrist"}
    env = AdaptedEnv(EnvRecipe.model_validate(FACTS | {"images": images}), tmp_path)
    env.reset(0)
    env.step(np.array([0.5, 0.0]))
    seen = env.observe().pixels
    assert (seen["front"] == 7).all() and (seen["wrist"] == 50).all()
    recipe = EnvRecipe.model_validate(FACTS | {"images": images, "expert": "mine.py:go"})
    before = describe_env(recipe, tmp_path).facts["code"]
    file.write_text(file.read_text() + "# changed\n")
    assert describe_env(recipe, tmp_path).facts["code"] != before, "another camera makes another recording"
    images["wrist"] = "eyes.py:blind"
    env = AdaptedEnv(EnvRecipe.model_validate(FACTS | {"images": images}), tmp_path)
    env.reset(0)
    with pytest.raises(ConfigError, match=r"images\.wrist: eyes\.py:blind is no picture"):
        env.observe()
    images["wrist"] = "eyes.py:wirst"
    with pytest.raises(UnknownNameError, match="did you mean 'wrist'"):
        AdaptedEnv(EnvRecipe.model_validate(FACTS | {"images": images}), tmp_path)


def told_at(env: AdaptedEnv, seed: int) -> str:
    env.reset(seed)
    return env.observe().instruction


def test_an_episode_ends_with_success_or_when_the_env_says_so() -> None:
    env = adapted()
    env.reset(0)
    env.step(np.array([9.0, 0.0]))  # cut off at the bounds
    assert not env.ended
    env.step(np.array([0.5, 0.0]))
    assert env.observe().agent_pos[0] == 1.0
    assert env.success and env.ended
    env.reset(0)
    assert not env.success and not env.ended
    for _ in range(5):
        env.step(np.array([0.0, 0.5]))
    assert env.ended and not env.success


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"images": {"front": "pixels/side"}}, "unknown key in images.front 'side'"),
        ({"images": {"front": "joints"}}, r"is no picture of shape \[H, W, 3\]"),
        ({"images": {"front": "render"}}, "give render_mode: rgb_array"),
        ({"state": ["joint"]}, "unknown key in state 'joint'.*did you mean 'joints'"),
        ({"state": ["joints/left"]}, "leads nowhere"),
        ({"state": ["hand"]}, "'hand' has the keys place; name one of them"),
        ({"images": {"front": "pixels/pale"}}, "pixels/pale is of float32; needed is uint8"),
        ({"success": "is_success"}, "unknown key in success 'is_success'"),
        ({"instruction": [], "instruction_at": "said"}, "unknown key in instruction_at 'said'"),
    ],
)
def test_what_is_not_there_is_named(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        env = adapted(**changes)
        env.reset(0)
        env.observe()
        env.step(np.zeros(2))


def test_an_env_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fake, "action_space", gymnasium.spaces.Discrete(3))
    with pytest.raises(ConfigError, match="needed is a Box of one dimension"):
        adapted()

    def missing(*_: Any, **__: Any) -> None:
        raise gymnasium.error.NameNotFound("Environment `Fake` doesn't exist.")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(ConfigError, match="env 'Fake-v0' cannot be made: Environment"):
        adapted()


def test_it_is_prepared_once_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def prepare(env):\n    env.painted = True\n")
    recipe = EnvRecipe.model_validate(FACTS | {"prepare": "mine.py:prepare"})
    assert AdaptedEnv(recipe, tmp_path).env.painted  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (None, "FILE.py:FUNCTION or MODULE:FUNCTION; the recipe has None"),
        ("mine.py", "FILE.py:FUNCTION or MODULE:FUNCTION; the recipe has 'mine.py'"),
        ("nowhere.py:go", "nowhere.py:go cannot be loaded"),
        ("no_such_module:go", "No module named 'no_such_module'"),
        ("math:sinn", "unknown function 'sinn'.*did you mean 'sin'"),
    ],
)
def test_a_function_that_is_not_there_is_named(name: str | None, complaint: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=complaint):
        load_function(name, HERE)


def test_whatever_a_file_raises_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="go cannot be loaded: ZeroDivisionError: division by zero"):
        load_function("mine.py:go", tmp_path)


def test_a_file_may_define_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Go:\n"
        "    speed: float\n"
    )
    assert load_function("mine.py:Go", tmp_path)(0.5).speed == 0.5


def test_without_noise_actions_need_no_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    monkeypatch.setattr(Fake, "action_space", endless)
    recipe = EnvRecipe.model_validate(FACTS | {"noise": 0, "expert": "mine.py:go"})
    columns, _, success = record_env_attempt(recipe, HERE, lambda raw, info: [0.5, 0.0], 0)
    assert success and np.array(columns[EXECUTED_ACTION]).tolist() == [[0.5, 0.0]] * 2


def test_a_policy_leads_while_the_labels_are_the_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = ActionChunk(np.full((3, 2), [0.0, -0.5], np.float32), np.zeros(3, bool), np.ones((3, 3)))
    policy = SimpleNamespace(decide=lambda seen: [chunk] * len(seen))
    monkeypatch.setattr("vla.data.collect_env.load_policy", lambda _: policy)
    facts = {"noise": 0, "expert": "mine.py:go", "policy": "run", "led": 1, "max_episode_steps": 30}
    recipe = EnvRecipe.model_validate(FACTS | facts)
    led = []
    for number in range(8):
        columns, _, success = record_env_attempt(recipe, HERE, lambda raw, info: [0.25, 0.0], number)
        assert success, "steps that are led are not taken from the expert's"
        assert np.array(columns[ACTION]).tolist() == [[0.25, 0.0]] * len(columns[ACTION])
        led.append(int((np.array(columns[EXECUTED_ACTION])[:, 1] < 0).sum()))
        assert len(columns[ACTION]) == 4 + led[-1]
    assert max(led) >= LEAD_STEPS[0] and max(led) <= LEAD_STEPS[1]
    assert min(led) == 0, "some end before the policy's turn"


def test_an_episode_ends_in_time() -> None:
    env = adapted(max_episode_steps=3)
    for more, steps in ((0, 3), (2, 5)):
        env.reset(0, more_steps=more)
        count = 0
        while not env.ended:
            env.step(np.zeros(2))
            count += 1
        assert count == steps and not env.success


def test_a_recipe_says_once_what_is_asked_for(tmp_path: Path) -> None:
    assert EnvRecipe.model_validate(FACTS | {"instruction": "go"}).instruction == ["go"]
    for changes in ({"instruction": []}, {"instruction_at": "said"}):
        with pytest.raises(ValueError, match="give `instruction` or `instruction_at`"):
            EnvRecipe.model_validate(FACTS | changes)


def test_the_examples_are_recipes() -> None:
    paths = sorted((HERE.parents[1] / "examples/panda_gym").glob("*.yaml"))
    recipes = [load_config(path, EnvRecipe) for path in paths]
    assert [recipe.name for recipe in recipes] == ["panda_pick_and_place", "panda_push", "panda_reach"]
    assert len({recipe.robot for recipe in recipes}) == 3, "their actions and states are not alike"
