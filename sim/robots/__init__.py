"""Robots: base.py says what an environment asks of one, and each other file is one robot."""
