"""The Pareto front."""

from hypothesis import given
from hypothesis import strategies as st

from edgefashion.pick import Point, dominators

# Few values, so that ties and duplicates are common.
FEW = st.integers(1, 4)
POINTS = st.lists(st.builds(Point, FEW, FEW.map(float), FEW.map(float)), max_size=12)


@given(POINTS)
def test_no_member_is_dominated(points: list[Point]) -> None:
    """Nothing that was measured is no worse than a member in everything and better in something."""
    members = [mine for mine, place in zip(points, dominators(points), strict=True) if place is None]
    for mine in members:
        for other in points:
            worse = (
                other.size_bytes > mine.size_bytes or other.accuracy < mine.accuracy or other.latency_s > mine.latency_s
            )
            assert worse or other == mine


@given(POINTS)
def test_every_other_point_is_dominated_by_a_member(points: list[Point]) -> None:
    """Whoever is not on the front is told of a member that beats it."""
    found = dominators(points)
    for mine, place in zip(points, found, strict=True):
        if place is not None:
            assert found[place] is None
            better = points[place]
            assert better.size_bytes <= mine.size_bytes
            assert better.accuracy >= mine.accuracy
            assert better.latency_s <= mine.latency_s
            assert better != mine


@given(POINTS)
def test_the_order_of_points_does_not_matter(points: list[Point]) -> None:
    """The same points in reverse have the same members, and equal points share their fate."""
    found = [place is None for place in dominators(points)]
    assert found == [place is None for place in dominators(points[::-1])][::-1]
    fates = {(mine, is_member) for mine, is_member in zip(points, found, strict=True)}
    assert len(set(points)) == len(fates)


def test_by_hand() -> None:
    """The smallest, the best and the fastest are on the front; what is beaten in all is not."""
    small, good, fast = Point(10, 0.90, 3e-4), Point(90, 0.94, 3e-4), Point(50, 0.92, 1e-4)
    assert dominators([small, good, fast, Point(50, 0.91, 2e-4)]) == [None, None, None, 2]
