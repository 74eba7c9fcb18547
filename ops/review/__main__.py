"""`make review`: prints what a stack did in the last seven days, and what to change."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from config.advice import advise
from config.cost import Prices
from config.offer import Offer
from config.plan import MAIN, Plan, make_plan
from config.problems import ConfigError
from config.settings import HetznerHosts, parse_settings
from ops.review.measure import measure
from ops.review.page import page
from ops.review.prometheus import LOCALHOST, Prometheus, PrometheusError, tunnel
from ops.stack import REPOSITORY, Stack, StackError
from program.hetzner_api import HetznerApiError, read_offer, read_prices
from program.stack_config import NAMESPACE, TOKEN


def main() -> int:
    """Prints the page; the exit code is 0 when it could be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        print(review(stack.name, sections(stack.config())), end="")
    except (StackError, ConfigError, PrometheusError) as error:
        print(f"review: {error}", file=sys.stderr)
        return 1
    return 0


def sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """The program's part of a stack's config, as the program itself reads it."""
    found = {
        key.removeprefix(NAMESPACE): value
        for key, value in config.items()
        if key.startswith(NAMESPACE)
    }
    hosts = found.get("hosts")
    if isinstance(hosts, dict) and hosts.get("provider") == "hetzner" and TOKEN in os.environ:
        found["hosts"] = {"token": os.environ[TOKEN], **hosts}
    return found


def review(stack: str, config: Mapping[str, Any]) -> str:
    """The page.

    Args:
        stack: the stack's name.
        config: its sections by their key below `arquitectura:`.

    Raises:
        ConfigError: the config is not valid.
        PrometheusError: Prometheus cannot be asked.
    """
    settings = parse_settings(config)
    plan = make_plan(settings, stack)
    with _prometheus(plan) as prometheus:
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


@contextmanager
def _prometheus(plan: Plan) -> Iterator[Prometheus]:
    """The stack's Prometheus, reached on the port that it has on its host."""
    if plan.monitoring is None:
        raise PrometheusError(
            f"{plan.stack} is not monitored: pulumi config set --stack {plan.stack} --path "
            "'arquitectura:monitoring.enabled' true, then pulumi up"
        )
    (service,) = plan.monitoring.of_kind("prometheus")
    if plan.hetzner is None:
        yield Prometheus(f"http://{LOCALHOST}:{service.published}")
        return
    config = REPOSITORY / ".arquitectura" / plan.stack / "ssh_config"
    if not config.exists():
        raise PrometheusError(
            f"{config.relative_to(REPOSITORY)} is not there, which has the servers' keys: pulumi "
            f"preview --stack {plan.stack} writes it"
        )
    address = next(server.private_ip for server in plan.hetzner.servers if server.name == MAIN)
    with tunnel(config, MAIN, f"{address}:{service.published}") as port:
        yield Prometheus(f"http://{LOCALHOST}:{port}")


if __name__ == "__main__":
    sys.exit(main())
