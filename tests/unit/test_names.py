"""The gate before the edge asks for certificates."""

import pytest

from components.edge import names
from components.edge.names import NamesReadyProvider

PROPS = {"names": ["s3.example.com", "db.example.com"], "address": "203.0.113.7", "timeout": 0}


def test_names_that_lead_here_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "addresses", lambda _: {"203.0.113.7"})
    assert NamesReadyProvider().create(PROPS).id == "203.0.113.7"


def test_it_says_which_records_to_make(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"s3.example.com": {"203.0.113.7"}, "db.example.com": {"198.51.100.1"}}
    monkeypatch.setattr(names, "addresses", lambda name: there[name])
    with pytest.raises(TimeoutError, match=r"\n  db\.example\.com\. A 203\.0\.113\.7$"):
        NamesReadyProvider().create(PROPS)


def test_it_waits_for_a_record_that_was_just_made(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([set(), {"203.0.113.7"}])
    monkeypatch.setattr(names, "PAUSE", 0)
    monkeypatch.setattr(names, "addresses", lambda _: next(answers))
    props = {**PROPS, "names": ["s3.example.com"], "timeout": 10}
    NamesReadyProvider().update("", {}, props)


def test_a_name_that_does_not_exist_has_no_address() -> None:
    assert names.addresses("localhost") == {"127.0.0.1"}
    assert names.addresses("nowhere.invalid") == set()
