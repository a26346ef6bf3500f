"""Settings that every test shares."""

import hypothesis

# The same examples in every run: a failure can be repeated, and a slow machine fails nothing.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, max_examples=100
)
hypothesis.settings.load_profile("repeatable")
