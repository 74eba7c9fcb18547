"""Two weeks of `prod`, as a real Prometheus answers the review: `load.json` and `idle.json`.

The series are made up here, under the names and labels that exporters, MinIO and the recording
rules give them; the answers are Prometheus'. `python -m tests.unit.review_week` records them again,
in Docker on Linux, with any image that has `prometheus` and `promtool` (the sandbox's, if not told
otherwise).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def recorded(week: str) -> Mapping[str, Any]:
    """The answers of a week by the expressions that were asked."""
    answers: Mapping[str, Any] = json.loads((FOLDER / f"{week}.json").read_text())
    return answers
