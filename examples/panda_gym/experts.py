"""Scripted experts of panda-gym, each a function of the observation alone: any state has its action.

An action is the displacement of the hand, 1 for 5 cm, and in PickAndPlace the fingers: 1 opens, -1 closes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

STEP = 0.05  # m that an action of 1 moves the hand
BEHIND = 0.06  # m from the middle of the object to where the hand comes down to push it
STRIDE = 0.03  # m that the hand is led ahead while it pushes
ALOFT, LOW = 0.08, 0.02  # m, of the hand above the table on its way round the object, and while it pushes
IN_LINE = 0.018  # m, that a pushing hand may be off the line to the goal
ASIDE, BELOW = 0.012, 0.012  # m, errors across and along the vertical at which the hand is in place
HELD, CLOSED = 0.03, 0.05  # m: so near the hand, and no more between the fingers, an object of 4 cm is held
EYE, TARGET = (0.10, 0.0, -0.08), (0.01, 0.0, 0.02)  # m from the fingertips: the wrist camera, what it sees

Observation = Mapping[str, Any]


def reach(observation: Observation, info: Mapping[str, Any]) -> np.ndarray:
    """Straight to the goal."""
    return _towards(observation["observation"][:3], observation["desired_goal"])


def push(observation: Observation, info: Mapping[str, Any]) -> np.ndarray:
    """Behind the object, seen from the goal, and from there through it."""
    hand, thing = observation["observation"][:3], observation["achieved_goal"]
    way = (observation["desired_goal"] - thing)[:2]
    way = way / max(float(np.linalg.norm(way)), 1e-6)
    offset = (hand - thing)[:2]
    along, across = float(offset @ way), float(offset @ [-way[1], way[0]])
    if abs(across) < IN_LINE and along < 0 and hand[2] < LOW + BELOW:
        return _towards(hand, np.array([*(thing[:2] + (along + STRIDE) * way), LOW]))
    start = np.array([*(thing[:2] - BEHIND * way), LOW])
    if np.linalg.norm((start - hand)[:2]) > ASIDE:
        start[2] = ALOFT
        if hand[2] < ALOFT - 0.03:  # up first
            start[:2] = hand[:2]
    return _towards(hand, start)


def pick_and_place(observation: Observation, info: Mapping[str, Any]) -> np.ndarray:
    """Over the object, down, close, and to the goal."""
    hand, width = observation["observation"][:3], observation["observation"][6]
    thing = observation["achieved_goal"]
    error = thing - hand
    aside = float(np.linalg.norm(error[:2]))
    if width < CLOSED and np.linalg.norm(error) < HELD:
        return np.append(_towards(hand, hand + observation["desired_goal"] - thing), -1.0)
    if aside > ASIDE:
        over = thing + np.array([0.0, 0.0, min(4 * (aside - ASIDE), 0.07)])
        return np.append(_towards(hand, over), 1.0)
    return np.append(_towards(hand, thing), 1.0 if abs(error[2]) > BELOW else -1.0)


def _towards(hand: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The displacement to a place, float32[3], at most a full one, its direction kept."""
    step = (place - hand) / STEP
    return (step / max(1.0, float(np.abs(step).max()))).astype(np.float32)


def paint_goal_red(env: Any) -> None:
    """Tell the goal by its colour: panda-gym makes it transparent, but its software renderer cannot."""
    sim = env.unwrapped.sim
    sim.physics_client.changeVisualShape(sim._bodies_idx["target"], -1, rgbaColor=[0.9, 0.1, 0.1, 1.0])


def wrist_picture(env: Any) -> np.ndarray:
    """What a camera on the hand sees past the fingers, uint8[128, 128, 3]; it stands as ours does."""
    client, robot = env.unwrapped.sim.physics_client, env.unwrapped.robot
    place, turn = client.getLinkState(env.unwrapped.sim._bodies_idx[robot.body_name], robot.ee_link)[:2]
    hand = np.reshape(client.getMatrixFromQuaternion(turn), (3, 3))
    eye, target = (place + hand @ offset for offset in (EYE, TARGET))
    view = client.computeViewMatrix(eye, target, hand[:, 0])
    lens = client.computeProjectionMatrixFOV(fov=90, aspect=1, nearVal=0.02, farVal=10)
    picture = client.getCameraImage(128, 128, view, lens, shadow=False)[2]
    return np.reshape(picture, (128, 128, 4))[..., :3].astype(np.uint8)
