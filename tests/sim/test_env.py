"""The environments: gymnasium's contract, exact repetition, options and bad input."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action, perturb
from sim.objects import COLORS
from sim.scene import WORKSPACE

TASK_NAMES = list(sim.TASKS)


@pytest.fixture(scope="module")
def env():
    """One PickUp environment for the tests that only reset it."""
    env = TabletopEnv("pick_up", render_mode="rgb_array", render_size=64)
    yield env
    env.close()


def record(env, task, seed, steps=12, pictures_between=0):
    """Everything an episode of a noisy expert shows, as bytes."""
    observation, info = env.reset(seed=seed)
    trace = []
    for _ in range(steps):
        trace += [
            observation["agent_pos"].tobytes(),
            observation["pixels"]["front"].tobytes(),
            json.dumps(info),
        ]
        for _ in range(pictures_between):
            env.render()
        action = perturb(expert_action(task, info["scene"]), 0.2, env.unwrapped.np_random)
        observation, reward, terminated, truncated, info = env.step(action)
        trace += [action.tobytes(), (reward, terminated, truncated)]
    return trace


@pytest.mark.parametrize("task", TASK_NAMES)
def test_gymnasium_accepts_the_environment(task):
    env = gymnasium.make(sim.TASKS[task], render_mode="rgb_array", cameras=("front", "wrist"), image_size=32)
    check_env(env.unwrapped)
    env.close()


def test_the_module_prefix_registers():
    env = gymnasium.make("sim:vla/Reach-v0")
    assert env.spec.max_episode_steps == 60
    env.close()


@pytest.mark.parametrize("task", TASK_NAMES)
def test_one_seed_is_one_episode_whatever_came_before(task):
    fresh, used = (TabletopEnv(task, render_mode="rgb_array") for _ in range(2))
    record(used, task, seed=99, steps=15)
    used.sample_still(np.random.default_rng(0))
    assert record(fresh, task, seed=3) == record(used, task, seed=3, pictures_between=1)
    assert record(fresh, task, seed=3) == record(used, task, seed=3)
    fresh.close()
    used.close()


def test_pictures_do_not_depend_on_how_many_were_drawn(env):
    env.reset(seed=0)
    for x in np.linspace(0.4, 0.6, 10):
        env.robot.reset(np.array([x, x - 0.5, x - 0.3]))
        first, second, third = (env._pictures()[0]["front"] for _ in range(3))
        assert np.array_equal(first, second) and np.array_equal(first, third)


def test_closing_twice():
    env = TabletopEnv("reach")
    env.close()
    env.close()


def test_two_environments_do_not_disturb_each_other(env):
    other = TabletopEnv("pick_up")
    alone = record(env, "pick_up", seed=1, steps=3)
    observation, info = env.reset(seed=1)
    other.reset(seed=2)
    other.close()
    assert observation["pixels"]["front"].tobytes() == alone[1]
    assert json.dumps(info) == alone[2]


def test_observation_and_truth(env):
    observation, info = env.reset(seed=5)
    scene = info["scene"]
    assert observation["pixels"]["front"].shape == (96, 96, 3)
    assert observation["agent_pos"].dtype == np.float32
    assert observation["agent_pos"].shape == (len(env.state_names),)
    assert json.loads(json.dumps(scene)) == scene
    assert info["instruction"] == env.task_description == scene["instruction"]
    assert info["is_success"] is False and scene["gripper"]["holding"] is None
    assert np.allclose(scene["gripper"]["position"], observation["agent_pos"][:3], atol=1e-4)
    assert abs(observation["agent_pos"][3:6]).max() < 1e-3 and observation["agent_pos"][6] == 1.0
    names = [item["name"] for item in scene["objects"]]
    assert scene["target"] in names and len(set(names)) == len(names)
    assert env.render().shape == (64, 64, 3)


def test_an_action_moves_by_its_scale(env):
    env.reset(seed=0)
    env.robot.reset(np.array([0.5, 0.0, 0.2]))
    before = env.robot.state()
    env.step(np.array([0.6, -0.4, 1.0, 0.0, 0.0, 0.5, -1.0], dtype=np.float32))
    env.step(np.zeros(7, dtype=np.float32))
    moved = env.robot.state() - before
    expected = [0.6 * env.position_scale, -0.4 * env.position_scale, env.position_scale]
    assert np.allclose(moved[:3], expected, atol=0.002)
    assert np.allclose(moved[3:6], [0, 0, 0.5 * env.rotation_scale], atol=0.01)


def test_zero_actions_hold_still_and_the_table_stops_the_hand(env):
    env.reset(seed=0)
    env.robot.reset(np.array([0.5, 0.0, 0.2]))
    start = env.robot.state()
    for _ in range(20):
        env.step(np.array([0, 0, 0, 0, 0, 0, 1], dtype=np.float32))
    assert np.allclose(env.robot.state(), start, atol=1e-3)
    for _ in range(8):
        env.step(np.array([0, 0, -1, 0, 0, 0, 1], dtype=np.float32))
    assert 0.01 < env.robot.state()[2] < 0.02


@pytest.mark.parametrize("bad", [np.zeros(6), np.full(7, np.nan), np.zeros((1, 7))])
def test_bad_actions_are_refused(env, bad):
    env.reset(seed=0)
    with pytest.raises(sim.SimError, match="7 finite numbers"):
        env.step(bad.astype(np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "pickup"}, "unknown task 'pickup'.*Did you mean 'pick_up'"),
        ({"cameras": ("frnt",)}, "unknown camera 'frnt'.*'front'"),
        ({"cameras": ()}, "at least one camera"),
        ({"image_size": 0}, "allowed: 16 to 1024"),
        ({"image_size": 10**6}, "allowed: 16 to 1024"),
        ({"render_mode": "human"}, "unknown render mode"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(sim.SimError, match=message):
        TabletopEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instrction": "pick up the red block"}, "unknown reset option.*'instruction'"),
        ({"instruction": "pick up the pink block"}, "unknown colour 'pink'.*purple"),
        ({"instruction": "pick up the block"}, "names no colour"),
        ({"target_color": "gren"}, "unknown colour 'gren'.*'green'"),
        ({"language": "fr"}, "unknown language"),
    ],
)
def test_bad_options_are_refused(env, options, message):
    with pytest.raises(sim.SimError, match=message):
        env.reset(seed=0, options=options)


@pytest.mark.parametrize("color", COLORS)
def test_the_instruction_chooses_the_target(env, color):
    for seed in range(3):
        _, info = env.reset(seed=seed, options={"instruction": f"pick up the {color} block"})
        assert info["scene"]["target"] == f"{color} block"
        assert info["instruction"] == f"pick up the {color} block"


def test_japanese_instructions_choose_target_and_goal():
    env = TabletopEnv("place_in_bowl", image_size=16)
    _, info = env.reset(seed=0, options={"instruction": "赤いブロックを青いボウルに入れて"})
    assert (info["scene"]["target"], info["scene"]["goal"]) == ("red block", "blue bowl")
    _, info = env.reset(seed=0, options={"instruction": "put the red block in the bowl"})
    assert [item["shape"] for item in info["scene"]["objects"]].count("bowl") == 1
    _, english = env.reset(seed=4)
    _, japanese = env.reset(seed=4, options={"language": "ja"})
    assert english["scene"]["objects"] == japanese["scene"]["objects"]
    assert not japanese["instruction"].isascii()
    env.close()


def test_another_named_block_gives_the_same_picture(env):
    observation, info = env.reset(seed=7)
    scene = info["scene"]
    others = [
        item for item in scene["objects"] if item["shape"] == "block" and item["name"] != scene["target"]
    ]
    again, changed = env.reset(seed=7, options={"target_color": others[0]["color"]})
    assert changed["scene"]["target"] == others[0]["name"]
    assert np.array_equal(observation["pixels"]["front"], again["pixels"]["front"])


def test_push_keeps_its_zone_beside_the_target():
    env = TabletopEnv("push", image_size=16)
    _, free = env.reset(seed=2)
    for color in COLORS:
        _, info = env.reset(seed=2, options={"target_color": color, "goal_color": color})
        scene = info["scene"]
        assert (scene["target"], scene["goal"]) == (f"{color} block", f"{color} zone")
        assert sorted(item["position"] for item in scene["objects"]) == sorted(
            item["position"] for item in free["scene"]["objects"]
        )
    env.close()


def test_stills_are_varied_and_true():
    env = TabletopEnv("pick_up", image_size=48)
    rng = np.random.default_rng(0)
    held = inside = done = hidden = 0
    for _ in range(150):
        pixels, scene = env.sample_still(rng)
        assert pixels["front"].shape == (48, 48, 3)
        names = [item["name"] for item in scene["objects"]]
        assert scene["target"] in names and (scene["goal"] is None or scene["goal"] in names)
        held += scene["gripper"]["holding"] is not None
        inside += scene["task"] == "place_in_bowl" and scene["is_success"]
        done += scene["is_success"]
        hidden += not all(item["visible"] for item in scene["objects"])
    assert 20 <= held <= 60 and 10 <= inside <= 60 and 30 <= done <= 110 and hidden >= 5
    first, second = (env.sample_still(np.random.default_rng(1)) for _ in range(2))
    assert first[1] == second[1] and np.array_equal(first[0]["front"], second[0]["front"])
    env.close()


def test_scenes_stay_in_the_workspace_and_colours_are_independent(env):
    same_color = blocks = 0
    for seed in range(60):
        _, info = env.reset(seed=seed)
        scene = info["scene"]
        for item in scene["objects"]:
            for value, (low, high) in zip(item["position"], WORKSPACE, strict=False):
                assert low - 1e-3 <= value <= high + 1e-3
        blocks += sum(item["shape"] == "block" for item in scene["objects"])
        same_color += scene["objects"][0]["name"] == scene["target"]
    assert 2.5 < blocks / 60 < 3.5
    assert same_color < 40
