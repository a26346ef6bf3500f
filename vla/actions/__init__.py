"""Actions as numbers and as tokens: scaling to [-1, 1] and discretising. Imports numpy only."""

from vla.actions.bins import BinTokenizer
from vla.actions.stats import Quantiles

__all__ = ["BinTokenizer", "Quantiles"]
