"""Statistics of a dataset's features: exact for vectors, over a fixed sample of frames for images."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from vla.data.schema import Feature, to_numpy

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
SAMPLED_IMAGES = 1024
"""Most images a camera that enter its statistics."""


class ImageSample:
    """Every stride-th image of a stream; the stride doubles whenever the sample is full.

    What is kept depends on the order of the images alone, so that equal datasets have equal statistics.
    """

    def __init__(self, capacity: int = SAMPLED_IMAGES) -> None:
        self.capacity = capacity
        self.stride = 1
        self.seen = 0
        self.images: list[bytes] = []

    def add(self, png: bytes) -> None:
        """Offer the next image of the stream, as PNG."""
        if self.seen % self.stride == 0:
            if len(self.images) == self.capacity:
                self.images = self.images[::2]
                self.stride *= 2
            if self.seen % self.stride == 0:
                self.images.append(png)
        self.seen += 1

    def statistics(self) -> dict[str, Any]:
        """Statistics of each channel on the 0..1 scale, each of shape [3][1][1]."""
        histogram = np.zeros((3, 256), np.int64)
        for png in self.images:
            pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
            for channel in range(3):
                histogram[channel] += np.bincount(pixels[..., channel].ravel(), minlength=256)
        levels = np.arange(256) / 255.0
        weights = histogram / histogram.sum(axis=1, keepdims=True)
        cumulative = np.cumsum(weights, axis=1)
        mean = weights @ levels
        rows = {
            "min": levels[np.argmax(histogram > 0, axis=1)],
            "max": levels[255 - np.argmax(histogram[:, ::-1] > 0, axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(weights @ levels**2 - mean**2, 0.0)),
        }
        for name, quantile in QUANTILES.items():
            rows[name] = levels[np.argmax(cumulative >= quantile - 1e-12, axis=1)]
        return {name: row.reshape(3, 1, 1).tolist() for name, row in rows.items()} | {
            "count": [len(self.images)]
        }


def vector_statistics(values: np.ndarray) -> dict[str, Any]:
    """Exact statistics of each entry of `values`, any[N, D]; each result has shape [D], count [1]."""
    values = values.astype(np.float64)
    result = {
        "min": values.min(axis=0).tolist(),
        "max": values.max(axis=0).tolist(),
        "mean": values.mean(axis=0).tolist(),
        "std": values.std(axis=0).tolist(),
        "count": [len(values)],
    }
    for name, row in zip(QUANTILES, np.quantile(values, list(QUANTILES.values()), axis=0), strict=True):
        result[name] = row.tolist()
    return result


class FeatureStatistics:
    """Gathers the episodes of a dataset and describes every feature but strings."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._images = {
            key: ImageSample() for key, feature in features.items() if feature["dtype"] == "image"
        }
        self._vectors: dict[str, list[np.ndarray]] = {
            key: [] for key, feature in features.items() if feature["dtype"] not in ("image", "string")
        }

    def add(self, table: pa.Table) -> None:
        """Take in one episode."""
        for key, sample in self._images.items():
            for value in table[key]:
                sample.add(value["bytes"].as_py())
        for key, parts in self._vectors.items():
            parts.append(to_numpy(table[key]))

    def result(self) -> dict[str, dict[str, Any]]:
        """Feature -> {min, max, mean, std, count, q01, q10, q50, q90, q99}."""
        vectors = {key: vector_statistics(np.concatenate(parts)) for key, parts in self._vectors.items()}
        return {key: sample.statistics() for key, sample in self._images.items()} | vectors
