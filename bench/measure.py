"""Medians of repeated runs, taken alternately so that a noisy moment hits both sides."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True)
class Timing:
    """Seconds that the runs of one side took."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.runs)

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.runs):.2f}–{max(self.runs):.2f})"


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def alternate(sides: Mapping[str, Callable[[], float]], runs: int = RUNS) -> dict[str, Timing]:
    """Runs each side in turn, `runs` times; a side returns the seconds that count."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            taken[name].append(side())
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}


def report(title: str, ours: Timing, other: Timing, goal: float) -> None:
    """Prints one figure: both sides, their ratio of medians, and whether the goal is met."""
    ratio = ours.median / other.median
    verdict = "met" if ratio <= goal else "MISSED"
    print(
        f"{title}\n  ours  {ours}\n  floor {other}\n  ratio {ratio:.2f}, goal {goal}: {verdict}",
        flush=True,
    )
