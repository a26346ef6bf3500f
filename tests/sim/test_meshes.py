"""Normals that rescaling leaves alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.meshes import steady_normals

numbers = st.floats(-1, 1, allow_nan=False, width=32)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=20))
def test_normals_stay_and_keep_their_direction(rows):
    normals = np.array(rows, dtype=np.float64)
    normals = normals[np.linalg.norm(normals, axis=1) > 1e-3]
    steady = steady_normals(normals)
    length = np.sqrt((steady * steady).sum(axis=1, dtype=np.float32))
    assert np.array_equal(steady * (np.float32(1) / length)[:, None], steady)
    exact = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    assert np.abs(steady - exact).max(initial=0) < 1e-5
