"""The environments: gymnasium's contract, exact repetition, options and bad input."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim
from sim.env import TabletopEnv
from sim.errors import CrowdedError
from sim.experts import expert_action, perturb
from sim.experts.bottles import stopper_of
from sim.moment import TURNING
from sim.objects import BASIC_COLORS, BOTTLE_HEIGHT, COLORS, axis_of, width_of
from sim.rig import MODALITIES
from sim.scene import find
from sim.tasks import TASK_CLASSES
from sim.tasks.conditions import tilt
from sim.tasks.swap import Swap

TASK_NAMES = list(sim.TASKS)


@pytest.fixture(scope="module")
def env():
    """One PickUp environment for the tests that only reset it."""
    env = TabletopEnv("pick_up", render_mode="rgb_array", render_size=64)
    yield env
    env.close()


def play(env, info, steps, pictures_between=0):
    """What the steps of a noisy expert show, as bytes."""
    trace = []
    for _ in range(steps):
        for _ in range(pictures_between):
            env.render()
        action = perturb(expert_action(env.task.name, info["scene"]), 0.2, env.np_random)
        observation, reward, terminated, truncated, info = env.step(action)
        trace += [shown(observation, info), action.tobytes(), (reward, terminated, truncated)]
    return trace


def shown(observation, info):
    pixels = {name: picture.tobytes() for name, picture in observation["pixels"].items()}
    return observation["agent_pos"].tobytes(), pixels, json.dumps(info["scene"])


def record(env, seed, steps=12, pictures_between=0):
    """Everything an episode of a noisy expert shows, as bytes."""
    observation, info = env.reset(seed=seed)
    return [shown(observation, info), *play(env, info, steps, pictures_between)]


@pytest.mark.parametrize("task", TASK_NAMES)
def test_gymnasium_accepts_the_environment(task):
    env = gymnasium.make(
        sim.TASKS[task],
        render_mode="rgb_array",
        cameras=("front", "wrist", "side"),
        modalities=tuple(MODALITIES),
        image_size=(24, 32),
    )
    check_env(env.unwrapped)
    assert env.spec.max_episode_steps == sim.MAX_EPISODE_STEPS[task]
    env.close()


def test_the_module_prefix_registers():
    env = gymnasium.make("sim:vla/Reach-v0")
    assert env.spec.max_episode_steps == 60
    env.close()


def test_vector_environments_share_memory_and_repeat():
    def rollout():
        envs = gymnasium.make_vec(
            "sim:vla/PickUp-v0",
            num_envs=2,
            vectorization_mode="async",
            vector_kwargs={"shared_memory": True, "context": "forkserver"},
            image_size=32,
        )
        observation, _ = envs.reset(seed=[1, 2])
        for _ in range(3):
            observation, *_ = envs.step(np.zeros((2, 7), np.float32))
        trace = observation["pixels"]["front"].tobytes(), observation["agent_pos"].tobytes()
        envs.close()
        return trace

    assert rollout() == rollout()


@pytest.mark.parametrize("task", TASK_NAMES)
def test_one_seed_is_one_episode_whatever_came_before(task):
    fresh, used = (TabletopEnv(task, image_size=32, render_mode="rgb_array") for _ in range(2))
    record(used, seed=99, steps=15)
    used.sample_still(np.random.default_rng(0))
    first = record(fresh, seed=3)
    assert first == record(used, seed=3, pictures_between=1)
    assert first == record(used, seed=3)
    fresh.close()
    used.close()


@pytest.mark.parametrize("task", TASK_NAMES)
def test_a_restored_state_goes_on_to_the_bit(task):
    env, other = (TabletopEnv(task, image_size=32) for _ in range(2))
    for steps in (0, 9, 14):
        _, info = env.reset(seed=4)
        play(env, info, steps)
        snapshot = env.state()
        observation, info = env.restore(snapshot)
        expected = [shown(observation, info), *play(env, info, 8)]
        other.reset(seed=5)
        for again in (env, other):
            observation, info = again.restore(snapshot)
            assert [shown(observation, info), *play(again, info, 8)] == expected
    env.close()
    other.close()


def test_taking_a_state_needs_no_restore_to_go_on_alike():
    env, other = (TabletopEnv("place_in_bowl", image_size=32) for _ in range(2))
    _, info = env.reset(seed=4)
    for _ in range(16):
        _, _, _, _, info = env.step(expert_action("place_in_bowl", info["scene"]))
    snapshot = env.state()
    other.restore(snapshot)
    action = np.array([0.2, 0.1, -0.5, 0, 0, 0.3, 1], np.float32)
    for _ in range(5):
        one, two = env.step(action), other.step(action)
        assert shown(one[0], one[4]) == shown(two[0], two[4])
    env.close()
    other.close()


def test_a_state_of_another_task_is_refused(env):
    other = TabletopEnv("reach")
    other.reset(seed=0)
    with pytest.raises(sim.SimError, match=r"of task 'reach'.*this env is of task 'pick_up'"):
        env.restore(other.state())
    other.close()


@pytest.mark.parametrize("task", TASK_NAMES)
def test_a_scene_is_rebuilt_exactly_from_its_json(task):
    env, other = (TabletopEnv(task, image_size=32, cameras=("front", "wrist")) for _ in range(2))
    other.reset(seed=1)
    observation, info = env.reset(seed=6)
    scene = json.loads(json.dumps(info["scene"]))
    rebuilt, again = other.reset(seed=6, options={"scene": scene})
    assert shown(rebuilt, again) == shown(observation, info)
    assert again["instruction"] == info["instruction"]
    action = np.array([0.5, -0.3, -0.4, 0, 0, 0.2, 1], np.float32)
    for _ in range(4):
        one, two = env.step(action), other.step(action)
        assert shown(one[0], one[4]) == shown(two[0], two[4])
    env.close()
    other.close()


def test_a_scene_written_by_hand():
    env = TabletopEnv("reach", image_size=32)
    _, info = env.reset(seed=0)
    scene = info["scene"]
    target = next(item for item in scene["objects"] if item["name"] == scene["target"])
    scene["objects"] = [{**target, "name": "", "shape": "block", "color": "pink", "size": "medium"}]
    scene |= {"target": "pink block"}
    _, info = env.reset(options={"scene": scene, "instruction": "touch the pink block"})
    assert [item["name"] for item in info["scene"]["objects"]] == ["pink block"]
    assert info["instruction"] == "touch the pink block"
    env.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "reach"}, "of task 'reach'; this env is of task 'pick_up'"),
        ({"target": "golden egg"}, "its target is 'golden egg'"),
        ({"objects": 3}, "scene cannot be read"),
        ({"view": {}}, "view"),
        ({"gripper": {}}, "key 'joints' is missing"),
        ({"gripper": {"joints": [0.0] * 7, "tilt": [0.0] * 3}}, "7 joints"),
    ],
)
def test_bad_scenes_are_refused(env, change, message):
    _, info = env.reset(seed=0)
    with pytest.raises(sim.SimError, match=message):
        env.reset(options={"scene": info["scene"] | change})


def test_scenes_with_more_bodies_than_there_are_are_refused(env):
    _, info = env.reset(seed=0)
    scene = info["scene"]
    item = scene["objects"][0] | {"shape": "ring", "size": "medium", "symbol": None}
    crowd = [
        item | {"color": color, "position": [0.4, 0.1 * i - 0.2, 0.02]} for i, color in enumerate(COLORS)
    ]
    with pytest.raises(sim.SimError, match="more than 2 of medium ring"):
        env.reset(options={"scene": scene | {"objects": crowd, "target": "red ring"}})


def test_pictures_do_not_depend_on_how_many_were_drawn(env):
    env.reset(seed=0)
    for x in np.linspace(0.4, 0.6, 10):
        env.robot.reset(np.array([x, x - 0.5, x - 0.3]))
        first, second, third = (env._rig.take("front", 96, 96).rgb for _ in range(3))
        assert np.array_equal(first, second) and np.array_equal(first, third)


def test_closing_twice():
    env = TabletopEnv("reach")
    env.close()
    env.close()


def test_two_environments_do_not_disturb_each_other(env):
    other = TabletopEnv("pick_up")
    alone = record(env, seed=1, steps=3)
    observation, info = env.reset(seed=1)
    other.reset(seed=2)
    other.close()
    assert shown(observation, info) == alone[0]


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


def test_lerobot_finds_the_attributes_that_it_reads():
    env = TabletopEnv("reach", image_size=(48, 64), render_mode="rgb_array", render_size=(80, 100))
    _, info = env.reset(seed=0)
    assert (env.observation_height, env.observation_width) == (48, 64)
    assert (env.visualization_height, env.visualization_width) == (80, 100)
    assert env.obs_type == "pixels_agent_pos" and env.metadata["render_fps"] == 5
    assert env.task_description == info["instruction"] and "is_success" in info
    assert env.render().shape == (80, 100, 3)
    env.close()


def test_every_modality_of_every_camera():
    cameras = ("front", "wrist", "side")
    env = TabletopEnv("place_on_card", image_size=(60, 80), cameras=cameras, modalities=tuple(MODALITIES))
    observation, info = env.reset(seed=1)
    assert env.observation_space.contains(observation)
    for camera in cameras:
        assert observation["pixels"][camera].shape == (60, 80, 3)
        assert observation["depth"][camera].dtype == np.float32
        segmentation = observation["segmentation"][camera]
        assert segmentation.max() < 2 + len(info["scene"]["objects"])
        assert np.array_equal(segmentation, env.segmentation(camera))
    seen = np.unique(observation["segmentation"]["front"]) - 2
    visible = [i for i, item in enumerate(info["scene"]["objects"]) if item["visible"]]
    assert set(visible) <= set(seen.tolist())
    env.close()


def test_without_cameras_nothing_is_drawn():
    env = TabletopEnv("pick_up", cameras=())
    env._rig.take = None
    observation, info = env.reset(seed=0)
    assert set(observation) == {"agent_pos"} and env.obs_type == "state"
    assert all(item["visible"] for item in info["scene"]["objects"])
    with_camera = TabletopEnv("pick_up")
    _, other = with_camera.reset(seed=0)
    assert [item["position"] for item in other["scene"]["objects"]] == [
        item["position"] for item in info["scene"]["objects"]
    ]
    env.close()
    with_camera.close()


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
        ({"split": "unseen_pair"}, "unknown split 'unseen_pair'.*Did you mean 'unseen_pairs'"),
        ({"task": "stack", "split": "basic"}, "task 'stack' has no split 'basic'; it has seen"),
        ({"cameras": ("frnt",)}, "unknown camera 'frnt'.*'front'"),
        ({"modalities": ("rbg",)}, "unknown modality 'rbg'.*'rgb'"),
        ({"renderer": "opengl"}, "unknown renderer"),
        ({"image_size": 0}, "allowed: 16 to 1024"),
        ({"image_size": (96, 10**6)}, "allowed: 16 to 1024"),
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
        ({"instruction": "pick up the turquoise block"}, "unknown colour 'turquoise'.*purple"),
        ({"instruction": "pick up"}, "names no object"),
        ({"instruction": "pick up the red bowl"}, "cannot be a bowl; allowed: block"),
        ({"instruction": "pick up the small bottle"}, "no small bottle"),
        ({"language": "fr"}, "unknown language"),
    ],
)
def test_bad_options_are_refused(env, options, message):
    with pytest.raises(sim.SimError, match=message):
        env.reset(seed=0, options=options)


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("shape", ["block", "ball"])
def test_the_instruction_chooses_the_target(env, color, shape):
    for seed in range(2):
        _, info = env.reset(seed=seed, options={"instruction": f"pick up the {color} {shape}"})
        scene = info["scene"]
        named = [i for i in scene["objects"] if (i["color"], i["shape"]) == (color, shape)]
        assert [item["name"] for item in named] == [scene["target"]]
        assert info["instruction"] == f"pick up the {color} {shape}"


def test_japanese_instructions_choose_target_and_goal():
    env = TabletopEnv("place_in_bowl", split="basic", image_size=16)
    _, info = env.reset(seed=0, options={"instruction": "赤いブロックを青いボウルに入れて"})
    assert (info["scene"]["target"], info["scene"]["goal"]) == ("red block", "blue bowl")
    _, info = env.reset(seed=0, options={"instruction": "put the red block in the bowl"})
    assert [item["shape"] for item in info["scene"]["objects"]].count("bowl") == 1
    _, english = env.reset(seed=4)
    _, japanese = env.reset(seed=4, options={"language": "ja"})
    assert english["scene"]["objects"] == japanese["scene"]["objects"]
    assert not japanese["instruction"].isascii()
    env.close()


def test_another_named_block_gives_the_same_picture():
    env = TabletopEnv("reach", split="basic")
    observation, info = env.reset(seed=7)
    scene = info["scene"]
    other = next(
        item for item in scene["objects"] if item["shape"] == "block" and item["name"] != scene["target"]
    )
    again, changed = env.reset(seed=7, options={"instruction": f"reach the {other['name']}"})
    assert changed["scene"]["target"] == other["name"]
    assert np.array_equal(observation["pixels"]["front"], again["pixels"]["front"])
    env.close()


def test_push_keeps_its_zone_beside_the_target():
    env = TabletopEnv("push", split="basic", image_size=16)
    _, free = env.reset(seed=2)
    for color in BASIC_COLORS:
        text = f"push the {color} block to the {color} zone"
        _, info = env.reset(seed=2, options={"instruction": text})
        scene = info["scene"]
        assert (scene["target"], scene["goal"]) == (f"{color} block", f"{color} zone")
        assert sorted(item["position"] for item in scene["objects"]) == sorted(
            item["position"] for item in free["scene"]["objects"]
        )
    env.close()


@pytest.mark.parametrize(
    "task", ["push", "stack", "place_upright", "put_in_drawer", "swap", "stack_three", "sort_by_color"]
)
def test_moments_are_varied_and_true(task):
    env = TabletopEnv(task, split="seen", image_size=48)
    rng = np.random.default_rng(0)
    hands, held, turned, scenes = [], 0, 0, set()
    for index in range(80):
        observation, scene = env.sample_moment(rng, "ja" if index % 2 else "en")
        assert (scene["task"], scene["is_success"]) == (task, False)
        assert scene["instruction"].isascii() == (index % 2 == 0)
        hands.append(observation["agent_pos"][:3])
        held += scene["gripper"]["holding"] is not None
        turned += abs(observation["agent_pos"][5]) > 0.1
        scenes.add(json.dumps(scene["objects"]))
        assert np.abs(expert_action(task, scene)).max() <= 1
    assert len(scenes) == 80
    assert np.ptp(hands, axis=0).min() > 0.2, "the hand is anywhere"
    assert 10 <= held <= 40 if TASK_CLASSES[task].lifts or task in TURNING else held == 0
    assert (turned > 20) == (task in TURNING)
    (first, one), (second, two) = (env.sample_moment(np.random.default_rng(1), "en") for _ in range(2))
    assert one == two and np.array_equal(first["pixels"]["front"], second["pixels"]["front"])
    env.close()


def test_a_layout_without_room_is_drawn_again(monkeypatch):
    draw, crowded = Swap.marks, iter([True, True])

    def marks(self, parts, specs):
        if next(crowded, False):
            raise CrowdedError("no free place")
        return draw(self, parts, specs)

    monkeypatch.setattr(Swap, "marks", marks)
    env = TabletopEnv("swap", cameras=())
    _, info = env.reset(seed=0)
    assert info["resampled"] >= 2 and info["scene"]["marks"]
    env.close()


def test_moments_of_a_bottle_in_the_hand():
    """It swings below its stopper, or is held elsewhere: then the expert lets go and takes it anew."""
    env = TabletopEnv("place_upright", split="seen", cameras=())
    rng = np.random.default_rng(0)
    tilts, slipped = [], []
    while len(tilts) < 60:
        _, scene = env.sample_moment(rng, "en")
        if scene["gripper"]["holding"] is None:
            continue
        bottle = find(scene, scene["target"])
        axis = np.array(axis_of(bottle["orientation"]))
        away = np.linalg.norm(stopper_of(bottle) - scene["gripper"]["position"])
        foot = bottle["position"][2] - axis[2] * BOTTLE_HEIGHT / 2
        edge = foot - np.hypot(*axis[:2]) * width_of("bottle", bottle["size"]) / 2
        assert edge > -0.004, "no part of it is below the table"
        assert away < 0.004 or away > 0.025
        if away > 0.025:
            assert expert_action("place_upright", scene)[6] == 1
        tilts.append(tilt(bottle))
        slipped.append(away > 0.025)
    assert min(tilts) < 0.2 and max(tilts) > 1.4 and 5 < sum(slipped) < 25
    env.close()


@pytest.mark.parametrize("split", ["basic", "seen"])
def test_stills_are_varied_and_true(split):
    env = TabletopEnv("pick_up", split=split, image_size=48)
    rng = np.random.default_rng(0)
    held = inside = done = hidden = 0
    for _ in range(150):
        pixels, scene = env.sample_still(rng)
        assert pixels["front"].shape == (48, 48, 3)
        names = [item["name"] for item in scene["objects"]]
        assert scene["target"] in names and (scene["goal"] is None or scene["goal"] in names)
        held += scene["gripper"]["holding"] is not None
        inside += scene["goal"] is not None and scene["is_success"]
        done += scene["is_success"]
        hidden += not all(item["visible"] for item in scene["objects"])
    assert 20 <= held <= 60 and 10 <= inside <= 70 and 30 <= done <= 110 and hidden >= 5
    first, second = (env.sample_still(np.random.default_rng(1)) for _ in range(2))
    assert first[1] == second[1] and np.array_equal(first[0]["front"], second[0]["front"])
    env.close()
