"""Maps from the vision tower's and the robot's spaces into the decoder's embedding space."""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init

EMBEDDING_SCALE = 0.5
"""Standard deviation of what is projected at the start; far larger, it would drown token embeddings."""


def fourier(values: torch.Tensor, frequencies: tuple[float, ...]) -> torch.Tensor:
    """Append sines and cosines (arXiv:2006.10739): float[..., P] in [-1, 1] -> float[..., P * (1 + 2F)].

    They let a perceptron resolve millimetres in a workspace of half a metre.
    """
    angles = [values * (torch.pi * frequency) for frequency in frequencies]
    return torch.cat([values, *(wave(angle) for angle in angles for wave in (torch.sin, torch.cos))], dim=-1)


class Projector(nn.Module):
    """Patch features and their places on the image to decoder embeddings: float[B, N, C] -> float[B, N, D].

    A layer norm and a two-layer perceptron, as in LLaVA-1.5 (arXiv:2310.03744). The place of each patch comes
    in as coordinates: the decoder's position embeddings were far smaller than the patches' contents, see
    docs/decisions/0003.
    """

    FREQUENCIES = (0.5, 1.0, 2.0)

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_features)
        self.fc1 = nn.Linear(in_features, out_features)
        self.place = nn.Linear(2 * (1 + 2 * len(self.FREQUENCIES)), out_features, bias=False)
        self.fc2 = nn.Linear(out_features, out_features)

    def reset_parameters(self) -> None:
        """Initialise so that contents and places weigh the same and the output has the embedding scale."""
        init.ones_(self.norm.weight)
        init.zeros_(self.norm.bias)
        for layer in (self.fc1, self.place):
            init.normal_(layer.weight, mean=0.0, std=layer.in_features**-0.5)
        init.normal_(self.fc2.weight, mean=0.0, std=EMBEDDING_SCALE * self.fc2.in_features**-0.5)
        for layer in (self.fc1, self.fc2):
            init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Project float[B, N, C], N patches of a square grid in row-major order, to float[B, N, D]."""
        side = round(features.shape[1] ** 0.5)
        axis = torch.linspace(-1.0, 1.0, side, device=features.device, dtype=features.dtype)
        rows_columns = torch.meshgrid(axis, axis, indexing="ij")
        grid = torch.stack(rows_columns, dim=-1).flatten(0, 1)  # [N, 2]
        hidden = self.fc1(self.norm(features)) + self.place(fourier(grid, self.FREQUENCIES))
        return self.fc2(nn.functional.gelu(hidden))


class StateProjector(nn.Module):
    """One token from the robot's state: float[B, S] in [-1, 1] -> float[B, D]."""

    FREQUENCIES = (0.5, 1.0, 2.0, 4.0)

    def __init__(self, state_dim: int, out_features: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(state_dim * (1 + 2 * len(self.FREQUENCIES)), out_features)
        self.fc2 = nn.Linear(out_features, out_features)

    def reset_parameters(self) -> None:
        """Initialise for the embedding scale."""
        init.normal_(self.fc1.weight, mean=0.0, std=self.fc1.in_features**-0.5)
        init.normal_(self.fc2.weight, mean=0.0, std=EMBEDDING_SCALE * self.fc2.in_features**-0.5)
        for layer in (self.fc1, self.fc2):
            init.zeros_(layer.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project states float[B, S] in [-1, 1] to float[B, D]."""
        return self.fc2(nn.functional.gelu(self.fc1(fourier(states, self.FREQUENCIES))))
