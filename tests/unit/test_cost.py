"""What a plan costs a month."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from config.cost import Cost, Prices, cost_report, monthly_cost, present_cost
from config.offer import ExistingServer
from config.plan import ServerPlan

PRICES = Prices(
    currency="EUR",
    server={"ccx33": {"fsn1": Decimal("48.49")}, "ccx23": {"fsn1": Decimal("24.49")}},
    volume_gb_month=Decimal("0.044"),
    primary_ip_month={"fsn1": Decimal("0.50")},
)


def server(number: int, kind: str, volume: int | None) -> ServerPlan:
    name = f"data-{number}" if number else "main"
    return ServerPlan(
        name=name,
        full_name=f"prod-{name}",
        role="data" if number else "main",
        server_type=kind,
        volume_gb=volume,
        private_ip=f"10.0.1.{10 + number}",
        group=1,
        holds_data=True,
        loads=(),
    )


def servers(data: int = 4, kind: str = "ccx23") -> list[ServerPlan]:
    return [server(0, "ccx33", 100), *(server(n, kind, 500) for n in range(1, data + 1))]


def existing(server: ServerPlan) -> ExistingServer:
    return ExistingServer(
        name=server.full_name,
        status="running",
        ipv4="192.0.2.1",
        type=server.server_type,
        disk_gb=80,
        volume_gb=server.volume_gb or 0,
    )


def cost(data: int = 4, kind: str = "ccx23", prices: Prices | None = PRICES) -> Cost:
    return monthly_cost(servers(data, kind), "fsn1", prices)


def test_the_report_is_a_table() -> None:
    assert cost_report(cost(), 300.0) == (
        "Cost a month in EUR, without VAT:\n"
        "  1 × ccx33 for main          48.49        48.49\n"
        "  4 × ccx23 for data          24.49        97.96\n"
        "  1 × volume of 100 GB         4.40         4.40\n"
        "  4 × volume of 500 GB        22.00        88.00\n"
        "  5 × primary IPv4             0.50         2.50\n"
        "  total                                   241.35\n"
        "Within budget_eur (300.00)."
    )


def test_no_budget_no_verdict() -> None:
    assert "budget" not in cost_report(cost(), None)


def test_over_budget() -> None:
    assert "Over budget_eur (200.50) by 40.85: " in cost_report(cost(), 200.5)


def test_what_has_no_price_is_said() -> None:
    report = cost_report(cost(kind="cx99"), 300.0)
    assert "total, at least" in report
    assert "No price could be had for 4 × cx99 for data." in report
    assert "as far as the prices are known" in report


def test_a_location_without_prices() -> None:
    assert monthly_cost(servers(), "hel1", PRICES).unknown == (
        "1 × ccx33 for main",
        "4 × ccx23 for data",
        "5 × primary IPv4",
    )


def test_no_prices_at_all() -> None:
    report = cost_report(cost(prices=None), 300.0)
    assert report.startswith("Cost a month: unknown, because Hetzner's prices could not be had")
    assert "5 × primary IPv4" in report


def test_a_budget_in_another_currency_is_not_compared() -> None:
    dollars = Prices(**{**vars(PRICES), "currency": "USD"})
    assert "cannot be compared with USD" in cost_report(cost(prices=dollars), 1.0)


def test_a_change_is_shown() -> None:
    present = present_cost([existing(server) for server in servers(3)], "fsn1", PRICES)
    assert "Now it costs 194.36: +46.99." in cost_report(cost(4), None, present)
    assert "Now" not in cost_report(cost(3), None, present)


@given(data=st.integers(0, 99), volume=st.none() | st.integers(10, 10240))
def test_the_total_is_the_sum_of_the_parts(data: int, volume: int | None) -> None:
    planned = [server(number, "ccx23", volume) for number in range(data + 1)]
    one = Decimal("24.49") + Decimal("0.044") * (volume or 0) + Decimal("0.50")
    assert monthly_cost(planned, "fsn1", PRICES).total == one * (data + 1)
