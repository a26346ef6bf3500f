"""Maps from the vision tower's and the robot's spaces into the decoder's embedding space."""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init


class Projector(nn.Module):
    """Layer norm and a two-layer perceptron, as in LLaVA-1.5 (arXiv:2310.03744): float[..., C] -> float[..., D]."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_features)
        self.fc1 = nn.Linear(in_features, out_features)
        self.fc2 = nn.Linear(out_features, out_features)

    def reset_parameters(self) -> None:
        """Initialise for unit-scale outputs; decoder embeddings are brought to scale by its own norms."""
        init.ones_(self.norm.weight)
        init.zeros_(self.norm.bias)
        for layer in (self.fc1, self.fc2):
            init.normal_(layer.weight, mean=0.0, std=layer.in_features**-0.5)
            init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Project float[..., C] to float[..., D]."""
        return self.fc2(nn.functional.gelu(self.fc1(self.norm(features))))


class StateProjector(nn.Module):
    """One token from the robot's state: normalised numbers and their sines and cosines, then a perceptron.

    Fourier features (arXiv:2006.10739) let a perceptron resolve millimetres in a workspace of half a metre.
    """

    FREQUENCIES = (1.0, 2.0, 4.0, 8.0)

    def __init__(self, state_dim: int, out_features: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(state_dim * (1 + 2 * len(self.FREQUENCIES)), out_features)
        self.fc2 = nn.Linear(out_features, out_features)

    def reset_parameters(self) -> None:
        """Initialise for unit-scale outputs."""
        for layer in (self.fc1, self.fc2):
            init.normal_(layer.weight, mean=0.0, std=layer.in_features**-0.5)
            init.zeros_(layer.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Project states float[B, S] in [-1, 1] to float[B, D]."""
        angles = [states * (torch.pi * frequency) for frequency in self.FREQUENCIES]
        features = torch.cat([states, *(f(a) for a in angles for f in (torch.sin, torch.cos))], dim=-1)
        return self.fc2(nn.functional.gelu(self.fc1(features)))
