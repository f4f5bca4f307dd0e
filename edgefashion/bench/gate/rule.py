"""The rule that every check of the gate follows."""

from edgefashion.records import GateVerdict

LEVEL = 0.025  # of each one-sided test


def verdict_of(p_beyond: float, high: float, limit: float) -> GateVerdict:
    """FAIL if `limit` is shown to be exceeded, PASS if the interval up to `high` stays below it.

    Both cannot be: an adjusted p below the level means an interval that begins above the limit.
    """
    if p_beyond < LEVEL:
        return "FAIL"
    return "PASS" if high < limit else "INCONCLUSIVE"
