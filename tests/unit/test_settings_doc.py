"""The page of settings is what the settings say of themselves."""

from ops.settings_doc import page


def test_every_setting_is_described() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert not [row for row in rows if row.endswith("|  |")]
