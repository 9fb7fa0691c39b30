"""What was measured, and how it is read."""

from tests.benchmarks.job import Numbers

KIB = 1024
MEGA, GIGA = 1e6, 1e9
MILLI = 1e-3

Figures = dict[str, dict[str, Numbers]]
"""What was measured of each client, by the name of the measurement."""


def ratio(figures: Figures, case: str, ours: str, other: str, number: str = "cpu") -> float:
    """Return one client's number in units of another's.

    Raises:
        KeyError: one of them was not measured.
    """
    return figures[case][ours][number] / max(figures[case][other][number], 1e-9)


def grown(figures: Figures, kind: str, number: str, few: tuple[str, int], many: tuple[str, int]) -> float:
    """Return what each of many costs in units of what each of few does.

    `few` and `many` are a measurement, and how many were at once in it.

    Raises:
        KeyError: one of them was not measured.
    """
    each = [figures[case][kind][number] / count for case, count in (few, many)]
    return each[1] / max(each[0], 1e-9)
