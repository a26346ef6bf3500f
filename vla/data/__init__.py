"""Demonstrations: recording them, and the LeRobotDataset v3.0 that they are stored in."""
