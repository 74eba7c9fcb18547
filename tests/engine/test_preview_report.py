"""The report on what the real engine and the policies say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.preview_report.__main__ import report
from ops.stack import Stack, StackError
from tests.committed import committed, on_servers
from tests.engine.conftest import Cloud
from tests.stack import LiveStack

Make = Callable[..., LiveStack]


def reported(stack: LiveStack, monkeypatch: pytest.MonkeyPatch) -> tuple[str, bool]:
    """The report on a stack that stands elsewhere."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    return report(Stack(stack.name), ("--cwd", str(stack.directory)))


def test_a_stack_that_could_be_brought_up(stack: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    new = stack(**committed("dev"))
    assert new.automation.name
    text, succeeded = reported(new, monkeypatch)
    assert succeeded, text
    assert "- The stack is new: 4 containers." in text
    assert "[!" not in text


def test_a_stack_that_could_not(stack: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    new = stack(citus={"workers": 0})
    assert new.automation.name
    text, succeeded = reported(new, monkeypatch)
    assert not succeeded
    assert "> [!CAUTION]\n> - 1 problem in the stack's config:" in text


def test_a_stack_that_breaks_a_policy(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod = LiveStack("prod", tmp_path, None, variables={"HCLOUD_TOKEN": cloud.api.token})
    prod.prepare()
    prod.configure(**on_servers("prod", token=None, endpoint=cloud.endpoint, budget_eur=100))
    assert prod.automation.name
    text, succeeded = reported(prod, monkeypatch)
    assert not succeeded
    (broken,) = [line for line in text.splitlines() if "A policy is broken" in line]
    assert broken.startswith("> - ")
    assert "budget_eur" in text.partition("- The stack is new")[0]
    assert "**Cost a month: 217.35 EUR**" in text
    assert cloud.api.token not in text


def test_a_stack_that_is_not_there(stack: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match="no stack named 'test-engine' found"):
        reported(stack(**committed("dev")), monkeypatch)
