"""`make review`: prints what a stack did in the last seven days, and what to change."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from config.advice import advise
from config.cost import Prices
from config.offer import Offer
from config.plan import make_plan
from config.problems import ConfigError
from config.settings import HetznerHosts, parse_settings
from ops.hosts import HostError
from ops.plan import sections
from ops.review.measure import measure
from ops.review.page import page
from ops.review.prometheus import PrometheusError, prometheus_of
from ops.stack import Stack, StackError
from program.hetzner_api import HetznerApiError, read_offer, read_prices


def main() -> int:
    """Prints the page; the exit code is 0 when it could be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        print(review(stack.name, sections(stack.config())), end="")
    except (StackError, ConfigError, HostError, PrometheusError) as error:
        print(f"review: {error}", file=sys.stderr)
        return 1
    return 0


def review(stack: str, config: Mapping[str, Any]) -> str:
    """The page.

    Args:
        stack: the stack's name.
        config: its sections by their key below `arquitectura:`.

    Raises:
        ConfigError: the config is not valid.
        HostError: its host is not known here.
        PrometheusError: Prometheus cannot be asked.
    """
    settings = parse_settings(config)
    plan = make_plan(settings, stack)
    with prometheus_of(plan) as prometheus:
        week = measure(prometheus.ask)
    offer, prices, unknown = None, None, []
    if isinstance(settings.hosts, HetznerHosts):
        try:
            offer, prices = _hetzner(settings.hosts, stack)
        except HetznerApiError as error:
            unknown.append(f"What Hetzner sells could not be read: {error}.")
    advice = advise(week, settings, stack, offer, prices)
    return page(plan, week, advice, datetime.now(UTC).date(), unknown)


def _hetzner(hosts: HetznerHosts, stack: str) -> tuple[Offer, Prices | None]:
    token = hosts.token.get_secret_value()
    return read_offer(hosts.endpoint, token, stack), read_prices(hosts.endpoint, token)


if __name__ == "__main__":
    sys.exit(main())
