"""The Docker engine of this machine as a stack's site, once it is known to take the plan."""

from collections.abc import Iterator

import pulumi

from components.access import Access
from components.hosts.engine import Engine, EngineError, find_engine, taken_ports
from components.hosts.local import LOCALHOST, LocalHost
from config.plan import LOCAL, Plan
from config.settings import AMD64_ONLY
from program.site import Site


def local_site(plan: Plan) -> Site:
    """Finds the engine, checks it against the plan and makes it the only host.

    Raises:
        pulumi.RunError: no engine answers, a port is taken, or a limit exceeds the machine; nothing
            has been registered yet.
    """
    try:
        engine = find_engine()
        problems = [*limits_above(plan, engine), *taken_ports(plan.published_ports, plan.stack)]
    except EngineError as error:
        raise pulumi.RunError(str(error)) from None
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise pulumi.RunError(f"this machine cannot take the stack:{lines}")
    host = LocalHost(
        LOCAL, engine=engine, stack=plan.stack, prefix=plan.prefix, amd64_only=AMD64_ONLY
    )
    for image in filter(host.platform, plan.images.model_dump().values()):
        pulumi.log.warn(f"{image} has no {engine.architecture} version and runs emulated, slowly")
    return Site(
        hosts={LOCAL: host},
        s3=Access(host=LOCALHOST, port=plan.minio.api_port),
        postgres=Access(host=LOCALHOST, port=plan.citus.port),
        console=f"http://{LOCALHOST}:{plan.minio.console_port}",
        grafana=_url(plan.optional_ports.get("monitoring.grafana.port")),
        cloudbeaver=_url(plan.optional_ports.get("cloudbeaver.port")),
    )


def _url(port: int | None) -> str:
    return f"http://{LOCALHOST}:{port}" if port else ""


def limits_above(plan: Plan, engine: Engine) -> Iterator[str]:
    """A sentence for each limit that the engine's machine cannot give."""
    nodes = {
        "minio": plan.minio.pools[0].nodes[0],
        "citus.coordinator": plan.citus.coordinator,
        "citus.worker": plan.citus.workers[0],
    }
    for setting, node in nodes.items():
        if node.cpus > engine.cpus:
            yield f"{setting}.cpus: {node.cpus:g} are more than Docker's {engine.cpus}"
        if node.memory_mb > engine.memory_mb:
            yield (
                f"{setting}.memory_mb: {node.memory_mb} is more than Docker's {engine.memory_mb}"
            )
