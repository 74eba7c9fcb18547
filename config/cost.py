"""What the servers of a plan cost a month: pure, from prices to lines. Amounts are without VAT."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from config.offer import ExistingServer
from config.plan import ServerPlan

BUDGET_CURRENCY = "EUR"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Hetzner's prices a month, without VAT.

    Attributes:
        currency: code of ISO 4217.
        server: by server type and location.
        volume_gb_month: of one GB of a volume; None where unknown.
        primary_ip_month: of a primary IPv4, by location.
    """

    currency: str
    server: Mapping[str, Mapping[str, Decimal]]
    volume_gb_month: Decimal | None
    primary_ip_month: Mapping[str, Decimal]


@dataclass(frozen=True, kw_only=True)
class CostLine:
    """Several of the same, with the price of one a month."""

    what: str
    count: int
    each: Decimal

    @property
    def total(self) -> Decimal:
        """The price of all of them."""
        return self.count * self.each


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What servers cost a month, with their volumes and addresses.

    Attributes:
        unknown: what could not be priced.
        currency: of the amounts; empty when nothing could be priced.
    """

    lines: tuple[CostLine, ...]
    unknown: tuple[str, ...]
    currency: str

    @property
    def total(self) -> Decimal:
        """The sum of all lines: a lower bound when something is unknown."""
        return sum((line.total for line in self.lines), Decimal(0))


def monthly_cost(servers: Sequence[ServerPlan], location: str, prices: Prices | None) -> Cost:
    """The cost of planned servers in a location; all is unknown without prices."""
    paid = [(f"{s.server_type} for {s.role}", s.server_type, s.volume_gb) for s in servers]
    return _cost(paid, location, prices)


def present_cost(servers: Sequence[ExistingServer], location: str, prices: Prices | None) -> Cost:
    """The cost of servers that exist, the same way."""
    return _cost([(s.type, s.type, s.volume_gb) for s in servers], location, prices)


def _cost(
    servers: Sequence[tuple[str, str, int | None]], location: str, prices: Prices | None
) -> Cost:
    """The cost of servers, each given as what to call it, its type and the GB of its volumes."""
    prices = prices or Prices(currency="", server={}, volume_gb_month=None, primary_ip_month={})
    lines, unknown = [], []
    for what, count, each in _items(servers, location, prices):
        if each is None:
            unknown.append(f"{count} × {what}")
        else:
            lines.append(CostLine(what=what, count=count, each=each))
    return Cost(lines=tuple(lines), unknown=tuple(unknown), currency=prices.currency)


def _items(
    servers: Sequence[tuple[str, str, int | None]], location: str, prices: Prices
) -> Iterator[tuple[str, int, Decimal | None]]:
    """What is paid for, how many of it, and the price of one."""
    for (what, kind), count in Counter((what, kind) for what, kind, _ in servers).items():
        yield what, count, prices.server.get(kind, {}).get(location)
    for size, count in Counter(size for _, _, size in servers if size).items():
        gb = prices.volume_gb_month
        yield f"volume of {size} GB", count, None if gb is None else size * gb
    yield "primary IPv4", len(servers), prices.primary_ip_month.get(location)


def cost_report(cost: Cost, budget: float | None, before: Cost | None = None) -> str:
    """A table for people, with what to think of it.

    Args:
        cost: of the plan.
        budget: the most that it should be, in euros a month.
        before: of the servers as they are now; None when there are none.
    """
    return "\n".join(_report(cost, budget, before))


def _report(cost: Cost, budget: float | None, before: Cost | None) -> Iterator[str]:
    if not cost.lines:
        yield f"Cost a month: unknown, because Hetzner's prices could not be had ({_list(cost)})"
        return
    yield f"Cost a month in {cost.currency}, without VAT:"
    rows = [(f"{line.count} × {line.what}", line.each, line.total) for line in cost.lines]
    wide = max(len(what) for what, _, _ in rows)
    for what, each, total in rows:
        yield f"  {what:{wide}} {each:12,.2f} {total:12,.2f}"
    yield f"  {'total, at least' if cost.unknown else 'total':{wide}} {'':12} {cost.total:12,.2f}"
    if cost.unknown:
        yield f"No price could be had for {_list(cost)}."
    if before and before.total != cost.total and not (before.unknown or cost.unknown):
        yield f"Now it costs {before.total:,.2f}: {cost.total - before.total:+,.2f}."
    if budget is not None:
        yield verdict(cost, budget)


def is_over(cost: Cost, budget: float) -> bool:
    """Whether it costs more than a budget in euros, as far as the prices are known."""
    return cost.currency == BUDGET_CURRENCY and cost.total > Decimal(str(budget))


def verdict(cost: Cost, budget: float) -> str:
    """A sentence on a cost and a budget in euros."""
    if cost.currency != BUDGET_CURRENCY:
        return f"budget_eur is in {BUDGET_CURRENCY} and cannot be compared with {cost.currency}."
    if is_over(cost, budget):
        excess = cost.total - Decimal(str(budget))
        return (
            f"Over budget_eur ({budget:,.2f}) by {excess:,.2f}: choose smaller server types or "
            "volumes, fewer servers, or raise it."
        )
    unless = " as far as the prices are known" if cost.unknown else ""
    return f"Within budget_eur ({budget:,.2f}){unless}."


def _list(cost: Cost) -> str:
    return ", ".join(cost.unknown)
