"""The review as a page of Markdown: pure."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from config.advice import MIN_DAYS, Advice, gib, percent
from config.plan import Plan
from config.week import DiskWeek, Week
from ops.review.measure import DAYS


def page(
    plan: Plan, week: Week, advice: Sequence[Advice], today: date, unknown: Sequence[str] = ()
) -> str:
    """The page.

    Args:
        plan: of the stack.
        week: what was measured.
        advice: what to change.
        today: the last day of the week.
        unknown: sentences on what could not be had.
    """
    parts = (
        _head(plan, week, today, unknown),
        _advice(plan, week, advice),
        _hosts(plan, week),
        _storage(week),
        _projects(plan, week),
        _alerts(week),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(plan: Plan, week: Week, today: date, unknown: Sequence[str]) -> Iterator[str]:
    first = today - timedelta(days=DAYS)
    yield f"# The week of {plan.stack}, {first} to {today}"
    if week.days < DAYS - 0.1:
        yield ""
        yield f"Only {_days(week.days)} of it were measured."
    for sentence in unknown:
        yield ""
        yield sentence


def _days(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{days * 24:.1f} hours"


def _advice(plan: Plan, week: Week, advice: Sequence[Advice]) -> Iterator[str]:
    yield "## Advice"
    yield ""
    if week.days < MIN_DAYS:
        yield "None before a whole day was measured."
    elif not week.hosts:
        yield "None, because no host was measured."
    elif not advice:
        yield "Nothing needs to change."
    for number, one in enumerate(advice, start=1):
        yield from ([""] if number > 1 else [])
        yield f"{number}. **{_capital(one.what)}.** {one.reason}"
        if one.changes:
            yield ""
            yield "   ```sh"
            for change in one.changes:
                yield f"   {change.command(plan.stack)}"
            yield "   ```"
            if cost := _cost(plan, one):
                yield ""
                yield f"   {cost}"
    if any(one.changes for one in advice):
        yield ""
        yield (
            "Workers join only the databases' distributed tables. Then "
            if any(change.path == "citus.workers" for one in advice for change in one.changes)
            else "Then "
        ) + f"`pulumi up --stack {plan.stack}`, which shows what it does before it does it."


def _cost(plan: Plan, advice: Advice) -> str:
    """What it costs, when that is known; nothing for a stack on this machine."""
    if plan.hetzner is None:
        return ""
    if advice.extra is None or advice.total is None:
        return "What it costs is not known: no prices could be had."
    budget = plan.hetzner.budget_eur
    over = (
        f", above `hosts.budget_eur` ({budget:,.2f})"
        if budget is not None and advice.currency == "EUR" and float(advice.total) > budget
        else ""
    )
    if not advice.extra:
        return "It costs nothing more."
    return (
        f"It costs {advice.extra:,.2f} {advice.currency} more a month, without VAT; all servers "
        f"then cost {advice.total:,.2f}{over}."
    )


def _hosts(plan: Plan, week: Week) -> Iterator[str]:
    yield "## Hosts"
    yield ""
    yield from _table(
        ("Host", "CPU, busiest 1 %", "worst", "Memory, busiest 1 %", "worst", "Fullest disk"),
        [
            (
                host.name,
                percent(host.cpu.busy, host.cores),
                f"{percent(host.cpu.worst, host.cores)} of {host.cores:g} cores",
                percent(host.memory.busy, host.memory_size),
                f"{percent(host.memory.worst, host.memory_size)} of {gib(host.memory_size)}",
                _disk(max(host.disks, key=lambda disk: disk.used / disk.size, default=None)),
            )
            for host in week.hosts
        ],
    )
    planned = (
        [server.name for server in plan.hetzner.servers]
        if plan.hetzner
        else [plan.citus.coordinator.host]
    )
    missing = sorted(set(planned) - {host.name for host in week.hosts})
    if missing:
        yield ""
        yield f"Not measured: {', '.join(missing)}."


def _disk(disk: DiskWeek | None) -> str:
    if disk is None:
        return "not measured"
    until = (disk.size - disk.used) / disk.growth if disk.growth > 0 else None
    full = f", full in {until:,.0f} days" if until is not None and until < 365 else ""
    return (
        f"{percent(disk.used, disk.size)} of {gib(disk.size)} at `{disk.mountpoint}`, "
        f"{gib(disk.growth, sign=True)} a day{full}"
    )


def _storage(week: Week) -> Iterator[str]:
    yield "## S3 storage"
    yield ""
    storage = week.storage
    if storage is None:
        yield "Not measured."
        return
    yield from _table(
        ("Used", "Growth a day", "Requests/s", "at most", "Answered with 5xx"),
        [
            (
                f"{percent(storage.used, storage.size)} of {gib(storage.size)}",
                gib(storage.growth, sign=True),
                f"{storage.requests:,.1f}",
                f"{storage.most_requests:,.1f}",
                f"{storage.errors:,.0f}",
            )
        ],
    )


def _projects(plan: Plan, week: Week) -> Iterator[str]:
    yield "## Projects"
    yield ""
    measured = {database.name: database for database in week.databases}
    rows = []
    for project in plan.projects:
        database = measured.get(project.database)
        rows.append(
            (
                project.name,
                gib(database.size),
                gib(database.growth, sign=True),
                f"{database.transactions:,.1f}",
                f"{database.most_transactions:,.1f}",
            )
            if database
            else (project.name, "not measured", "", "", "")
        )
    if rows:
        yield from _table(
            ("Project", "Database", "Growth a day", "Transactions/s", "at most"), rows
        )
    else:
        yield "None."


def _alerts(week: Week) -> Iterator[str]:
    yield "## Alerts that fired"
    yield ""
    if not week.alerts:
        yield "None."
        return
    yield from _table(
        ("Alert", "Severity", "For", "How long"),
        [
            (
                f"{alert.name}{', still firing' if alert.firing else ''}",
                alert.severity,
                alert.subject,
                _duration(alert.minutes),
            )
            for alert in week.alerts
        ],
    )


def _duration(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
