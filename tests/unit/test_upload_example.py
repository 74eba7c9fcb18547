"""What the example of uploads is installed with is what it is tested with."""

from ops.stack import REPOSITORY

EXAMPLE = REPOSITORY / "docs" / "examples" / "presigned-upload" / "requirements.txt"


def test_the_examples_versions_are_those_of_the_tests() -> None:
    tested = (REPOSITORY / "requirements.txt").read_text()
    pins = EXAMPLE.read_text().split()
    assert "fastapi" in {pin.partition("==")[0] for pin in pins}
    for pin in pins:
        assert f"\n{pin} \\\n" in tested, f"{pin}: the tests have another version"
