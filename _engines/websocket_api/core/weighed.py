"""An object that knows how long it takes to encode, so that its values need not be counted first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Weighed(dict[str, Any]):
    """A JSON object with the weight of each of its fields. Do not change it: make another one.

    :param fields: the object
    :param weights: about how many values each field consists of, in the same order; rather too many than too few
    """

    def __init__(self, fields: dict[str, Any], weights: Sequence[int]) -> None:
        super().__init__(fields)
        self.weights = weights
        self.weight = sum(weights)
        """About how many values all of it consists of."""
