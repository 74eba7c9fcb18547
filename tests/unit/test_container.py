"""What every container has in common."""

import pytest

from components.container import cpus_text


@pytest.mark.parametrize(
    ("cpus", "text"),
    [(2, "2.0"), (0.5, "0.5"), (1.5, "1.5"), (0.25, "0.25"), (10, "10."), (10.5, "10.5")],
)
def test_cpus_are_spelled_as_the_provider_does(cpus: float, text: str) -> None:
    assert cpus_text(cpus) == text
