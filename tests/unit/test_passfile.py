"""The PGPASSFILE's format."""

from components.citus.passfile import passfile_text


def test_a_line_per_role() -> None:
    assert passfile_text({"postgres": "a", "shop": "b"}) == "*:*:*:postgres:a\n*:*:*:shop:b\n"


def test_colons_and_backslashes_are_escaped() -> None:
    assert passfile_text({"a:b": "c\\d"}) == "*:*:*:a\\:b:c\\\\d\n"
