"""How likely values are ids of a model.

Every small number is an id in every table, so it means little that values are ids. Unless the name of the place refers to the
model, the values must match its ids far better than random numbers of their size, or be spread over all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MOSTLY = 0.5
SURELY = 0.8
_NEARLY_ALL = 0.95
_LIKELIHOOD = 25.0  # how much likelier than by chance, as a natural logarithm
_ENOUGH = 12  # the fewest different values whose spread is meaningful


@dataclass(frozen=True)
class Fit:
    """How a place's values compare with the ids of one model."""

    share: float  # of the place's values, those that are ids of the model
    different: int  # of those
    highest: int | None  # the largest number looked up; None where some are UUIDs
    below: int  # ids of the model up to that
    lowest: int = 0
    mean: float = 0.0  # of all values, each as often as it occurs
    largest_id: int = 0
    in_a_row: bool = False  # every value once, without a gap: a counter

    @property
    def beats_chance(self) -> bool:
        """Whether it is unlikely that so many values are ids by chance."""
        if self.highest is None:
            return self.different > 1  # equal UUIDs are no coincidence
        return self.likelihood >= _LIKELIHOOD

    @property
    def likelihood(self) -> float:
        """How much likelier the values are if they are ids than if they are random numbers up to the highest, as a natural logarithm."""
        if self.highest is None:
            return math.inf
        chance = min(1.0, self.below / max(self.highest, 1))
        share = min(self.share, 1 - 1e-9)
        if chance >= share:
            return 0.0
        return self.different * (share * math.log(share / chance) + (1 - share) * math.log((1 - share) / (1 - chance)))

    @property
    def spreads(self) -> bool:
        """Whether the values are spread evenly over the model's ids, from the first to the last, as references usually are."""
        if self.highest is None or not self.largest_id or self.in_a_row or self.different < _ENOUGH:
            return False
        return (
            self.share >= _NEARLY_ALL
            and 0.8 * self.largest_id <= self.highest <= self.largest_id
            and self.lowest <= 0.2 * self.largest_id
            and 0.35 * self.largest_id <= self.mean <= 0.65 * self.largest_id
        )

    @property
    def covers(self) -> bool:
        """Whether nearly all of the model's ids occur, and hardly anything else; also if each does once, as numbers of a counter do."""
        if self.highest is None or self.different < max(_ENOUGH, 0.9 * self.below):
            return False
        return self.share >= _NEARLY_ALL and 0.95 * self.largest_id <= self.highest <= self.largest_id

    @property
    def nearly_all(self) -> bool:
        """Whether nearly all values are ids of the model."""
        return self.share >= _NEARLY_ALL
