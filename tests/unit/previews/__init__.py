"""What `pulumi preview --json` says of this program's stacks, trimmed to what the report reads.

`python -m tests.unit.previews dev` records those of a stack on this machine's Docker again,
`… servers` those of one on the sandbox's servers: both take minutes and make real stacks, which
they remove. `… new` records one for which nothing is made.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


RECORDED = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
"""The names of all."""


def recorded(name: str) -> Sequence[Mapping[str, Any]]:
    """The events of a recorded preview."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
