"""Measuring a policy: rollouts, questions, the whole suite, its report and the benchmark."""
