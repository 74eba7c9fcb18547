"""A pool that holds data is never changed."""

import pytest

from components.minio.layout import check_growth

FOUR = {"nodes": 4, "drives": 1}
ONE = {"nodes": 1, "drives": 4}


@pytest.mark.parametrize("new", [[ONE], [ONE, FOUR]])
def test_pools_may_be_added(new: list[dict[str, int]]) -> None:
    check_growth([ONE], new)


def test_a_pool_cannot_be_changed() -> None:
    with pytest.raises(
        ValueError, match=r"minio.pools\[0\] has 1 nodes of 4 drives and cannot be "
    ):
        check_growth([ONE], [FOUR])


def test_a_pool_cannot_be_removed() -> None:
    with pytest.raises(ValueError, match=r"minio.pools\[1\].* cannot be removed"):
        check_growth([ONE, FOUR], [ONE])
