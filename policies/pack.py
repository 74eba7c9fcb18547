"""The policies: the checks, as the engine calls them."""

from collections.abc import Callable, Iterator
from functools import cache

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from config.cost import Cost, monthly_cost
from config.plan import Plan, make_plan
from config.settings import Settings
from policies.budget import budget_is_checked, cost_is_within_budget
from policies.containers import (
    health_is_checked,
    images_are_pinned,
    memory_is_limited,
    ports_are_private,
)
from policies.data import data_is_protected
from policies.hetzner import firewalls_are_closed, nothing_is_deprecated
from policies.registered import Check, Registered
from program.hetzner_api import read_prices
from program.stack_config import load_settings


@cache
def the_plan() -> Plan:
    """The plan of the stack's config, which the engine hands over to the pack as well."""
    try:
        settings = load_settings()
    except pulumi.RunError:  # the program says why, and makes nothing; another one must protect all
        settings = Settings(protect=True)
    return make_plan(settings, pulumi.get_stack())


@cache
def the_cost() -> Cost:
    """What the plan's servers cost at today's prices: asked for once, for both policies."""
    hetzner = the_plan().hetzner
    if hetzner is None:
        return Cost(lines=(), unknown=(), currency="")
    prices = read_prices(hetzner.hosts.endpoint, hetzner.hosts.token.get_secret_value())
    return monthly_cost(hetzner.servers, hetzner.location, prices)


def _of_resources(name: str, description: str, check: Check) -> ResourceValidationPolicy:
    """A policy on each resource."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = Registered(
            type=args.resource_type,
            urn=args.urn,
            name=args.name,
            properties=args.props,
            protect=args.opts.protect,
        )
        for sentence in check(resource):
            report(sentence, None)

    return ResourceValidationPolicy(name, description, validate)


def _of_the_cost(
    name: str,
    description: str,
    check: Callable[[Cost, float], Iterator[str]],
    level: EnforcementLevel | None = None,
) -> StackValidationPolicy:
    """A policy on what the stack costs, where its config has a budget."""

    def validate(_args: StackValidationArgs, report: ReportViolation) -> None:
        hetzner = the_plan().hetzner
        if hetzner and hetzner.budget_eur is not None:
            for sentence in check(the_cost(), hetzner.budget_eur):
                report(sentence, None)

    return StackValidationPolicy(name, description, validate, level)


POLICIES: list[Policy] = [
    _of_resources("images-pinned", "An image has a version or a digest", images_are_pinned),
    _of_resources("memory-limit", "A container has a memory limit", memory_is_limited),
    _of_resources("healthcheck", "A service has a healthcheck", health_is_checked),
    _of_resources("private-ports", "Only the edge is reached from outside", ports_are_private),
    _of_resources("firewall", "Only 80 and 443 are for everyone", firewalls_are_closed),
    _of_resources("deprecated", "No property that Hetzner gives up", nothing_is_deprecated),
    _of_resources(
        "protected-data",
        "Data is protected where the stack is",
        lambda resource: data_is_protected(resource, the_plan()),
    ),
    _of_the_cost("budget", "The stack costs no more than its budget", cost_is_within_budget),
    _of_the_cost(
        "budget-checked",
        "The budget could be compared with the cost",
        budget_is_checked,
        EnforcementLevel.ADVISORY,
    ),
]
