"""The Pareto front: what nothing else beats in one respect without losing in another."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """What a model costs and what it is worth, as measured: less, more and less are better.

    Attributes:
        size_bytes: Of its file.
        accuracy: A share.
        latency_s: Median seconds of one call.
    """

    size_bytes: int
    accuracy: float
    latency_s: float

    def dominates(self, other: "Point") -> bool:
        """Whether this is no worse in anything and better in something."""
        no_worse = (
            self.size_bytes <= other.size_bytes
            and self.accuracy >= other.accuracy
            and self.latency_s <= other.latency_s
        )
        return no_worse and self != other


def dominators(points: Sequence[Point]) -> list[int | None]:
    """For each point the place of a member of the front that dominates it; None for the members themselves.

    Dominance is transitive and no point dominates itself, so whatever is dominated at all is dominated by a member.
    Equal points do not dominate each other.
    """
    members = [place for place, mine in enumerate(points) if not any(each.dominates(mine) for each in points)]
    return [next((place for place in members if points[place].dominates(mine)), None) for mine in points]
