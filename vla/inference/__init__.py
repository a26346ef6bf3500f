"""Inference: the engine, its grammars, and playing chunks of actions."""
