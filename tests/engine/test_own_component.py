"""The components in someone else's program, from the wheel."""

import subprocess
from pathlib import Path

from ops.stack import REPOSITORY
from tests.engine.conftest import PORTS, previewed
from tests.own_component import own_component


def test_the_example_needs_the_wheel_alone(tmp_path: Path) -> None:
    stack = own_component("test-own", tmp_path, PORTS)
    made = previewed(stack)
    assert made["docker:index/container:Container"] == 1 + 2 + 1 + 1
    assert made["pulumi-python:dynamic:Membership"] == 2
    assert made["minio:index/s3Bucket:S3Bucket"] == 1

    found = subprocess.run(
        [
            stack.directory / ".venv/bin/python",
            "-c",
            "from components.monitoring import exporters, stack; "
            "print(stack.__file__, len([*stack.RULES.glob('*.yaml')]), len(exporters.QUERIES))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    file, rules, queries = found.stdout.split() or [found.stderr, "0", "0"]
    assert Path(file).is_relative_to(stack.directory / ".venv"), file
    assert int(rules) == len(list((REPOSITORY / "components/monitoring/rules").glob("*.yaml")))
    assert int(queries) > 0

    # The policies hold for any program.
    stack.preview(policy_packs=[str(REPOSITORY / "policies")])
    assert "✅ arquitectura@" in stack.output
