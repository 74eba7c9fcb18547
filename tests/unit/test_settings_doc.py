"""The page of settings is what the settings say of themselves."""

from ops.settings_doc import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run make docs"
