"""What a stack may cost."""

from collections.abc import Iterator

from config.cost import BUDGET_CURRENCY, Cost, is_over, verdict


def cost_is_within_budget(cost: Cost, budget: float) -> Iterator[str]:
    """The servers cost no more a month than `hosts.budget_eur`, as far as prices are known."""
    if is_over(cost, budget):
        yield f"{cost.total:,.2f} a month. {verdict(cost, budget)}"


def budget_is_checked(cost: Cost, budget: float) -> Iterator[str]:
    """Whether there was a price for everything, in euros: else the budget holds nothing back."""
    if cost.unknown:
        yield (
            f"budget_eur ({budget:,.2f}) was not compared with {', '.join(cost.unknown)}: "
            "Hetzner's prices could not be had. Try again, or look at "
            "https://www.hetzner.com/cloud"
        )
    elif cost.currency != BUDGET_CURRENCY:
        yield verdict(cost, budget)
