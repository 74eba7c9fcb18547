"""Brings a database's workers, as `pg_dist_node` has them, to the list that is wanted.

Nothing is taken from an earlier run: each starts from what the coordinator says, so one that was
killed half way is completed by the next.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from components.citus.rebalance import TransferMode, await_running, rebalance, say
from components.citus.sessions import (
    MAINTENANCE_DATABASE,
    RETRY_SECONDS,
    Address,
    CitusError,
    NotReadyError,
    Server,
    Session,
    ask_worker,
    await_worker,
    clear_errors,
    connect,
    describe,
    on_worker,
    value,
)

LEAVING_PATIENCE = 5.0
"""Seconds that a worker which leaves gets to answer, before it counts as dead."""
DROP_PATIENCE = 30.0
"""Seconds that sessions in a dropped database get to end."""

# Keys of advisory locks; these are scoped to the database in which they are taken.
REGISTRATION = "arquitectura: registration"
MEMBERSHIP = "arquitectura: membership"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one database's membership should be.

    Attributes:
        server: the coordinator, as this machine reaches it.
        database: exists there.
        owner: owns the database on the workers too; None leaves it to the superuser.
        coordinator: address under which the nodes reach the coordinator.
        workers: the members, in order.
        databases: all databases that have a membership.
        mode: how shards move; `auto` is online.
        patience: seconds that coordinator and workers get to answer.
    """

    server: Server
    database: str
    owner: str | None
    coordinator: Address
    workers: Sequence[Address]
    databases: Sequence[str]
    mode: TransferMode
    patience: float


@dataclass(frozen=True, kw_only=True)
class Node:
    """A registered worker. `shards` cannot be had elsewhere, `copies` of reference tables can."""

    address: Address
    active: bool
    takes_shards: bool
    shards: int
    copies: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """The way from the registered workers to the wanted ones."""

    joining: Sequence[Address]
    resuming: Sequence[Node]
    leaving: Sequence[Node]
    total_shards: int
    empty: Sequence[Node]

    @property
    def fills(self) -> bool:
        """Whether shards should move to a worker that has none: new, or left by a killed run."""
        return bool(self.total_shards and (self.joining or self.resuming or self.empty))

    @property
    def drains(self) -> bool:
        """Whether shards have to leave a worker."""
        return any(node.shards for node in self.leaving)


def plan(wanted: Sequence[Address], registered: Sequence[Node]) -> Change:
    """Compares the wanted workers with the registered ones."""
    known = {node.address for node in registered}
    staying = [node for node in registered if node.address in wanted]
    return Change(
        joining=[address for address in wanted if address not in known],
        resuming=[node for node in staying if not (node.active and node.takes_shards)],
        leaving=[node for node in registered if node.address not in wanted],
        total_shards=sum(node.shards for node in registered),
        empty=[node for node in staying if not node.shards],
    )


def reconcile(target: Target) -> None:
    """Makes the wanted workers, and no others, members of the database.

    Workers that join get the database, its owner and the extension, and their share of the shards.
    Workers that leave are drained first. Everything known to stand in the way is checked before
    anything changes.

    Raises:
        CitusError: naming the database, what is wrong and what to do. Workers that should have left
            are then still members.
    """
    with (
        clear_errors(target.database),
        _sessions(target) as (admin, session),
        _exclusive(session, target),
    ):
        _ensure_extension(session, "citus")
        await_running(session, target.database)
        change = plan(target.workers, _nodes(session))
        dead = _check(admin, session, target, change)
        _remove_dead(admin, session, dead)
        _join(admin, session, target, change)
        _close_to_others(admin, target)
        leaving = [node for node in change.leaving if node not in dead]
        if leaving:
            _leave(admin, session, target, change, leaving)
        elif change.fills:
            _balance(session, target, drain_only=False, purpose=_balance_purpose(target))


def members(server: Server, database: str) -> list[Address] | None:
    """The database's active workers; None when there is no such database.

    Raises:
        CitusError: when the coordinator cannot be asked.
    """
    with clear_errors(database):
        with connect(server, MAINTENANCE_DATABASE) as admin:
            if not _has_database(admin, database):
                return None
        with connect(server, database) as session:
            if not _has_extension(session, "citus"):
                return []
            return [node.address for node in _nodes(session) if node.active]


def dissolve(server: Server, database: str, workers: Sequence[Address]) -> None:
    """Drops the database on its workers; the coordinator's is not touched.

    In the maintenance database, which every server needs, workers without shards are unregistered
    instead.

    Args:
        server: the coordinator.
        database: may be gone from it already.
        workers: members by the caller's knowledge; those in `pg_dist_node` are dealt with as well.

    Raises:
        CitusError: when coordinator or a worker cannot be reached, or a database stays in use.
    """
    with clear_errors(database), connect(server, MAINTENANCE_DATABASE) as admin:
        nodes: list[Node] = []
        if _has_database(admin, database):
            with connect(server, database) as session:
                nodes = _nodes(session) if _has_extension(session, "citus") else []
        if database == MAINTENANCE_DATABASE:
            with _registration(admin):
                for node in nodes:
                    if not node.shards:
                        _remove_node(admin, node.address)
            return
        _ensure_dblink(admin)
        addresses = list(dict.fromkeys([*workers, *(node.address for node in nodes)]))
        _each(addresses, lambda worker: _drop_on(server, worker, database))


# -- Checks ------------------------------------------------------------------------------------


def _check(admin: Session, session: Session, target: Target, change: Change) -> list[Node]:
    """Refuses what cannot succeed, before anything has changed; returns the dead that may leave."""
    for worker in target.workers:
        await_worker(admin, worker, patience=target.patience)
    if not (change.joining or change.resuming or change.leaving or change.fills):
        return []
    dead = [node for node in change.leaving if not _answers(admin, node.address)]
    if change.leaving:
        _check_unknown_databases(admin, target, change)
    if change.drains:
        _check_drain(change, dead, target)
    if target.mode == "auto" and (change.fills or change.drains):
        _check_replica_identity(session)
        _check_wal_level(admin, session, target, change)
    return dead


def _check_drain(change: Change, dead: Sequence[Node], target: Target) -> None:
    for node in dead:
        if node.shards:
            raise CitusError(
                f"worker {node.address} does not answer and holds {node.shards} shards that exist"
                " nowhere else. Start it from its volume, then run `pulumi up` again"
            )
    if not target.workers:
        names = _names(node.address for node in change.leaving)
        raise CitusError(
            f"{names} cannot leave: no worker would be left to take {change.total_shards} shards."
            " Keep at least one worker, or drop the distributed tables first"
        )


def _check_unknown_databases(admin: Session, target: Target, change: Change) -> None:
    known = [MAINTENANCE_DATABASE, target.database, *target.databases]
    leaving = {node.address for node in change.leaving}
    others = admin.execute(
        "SELECT datname FROM pg_database"
        " WHERE datallowconn AND NOT datistemplate AND datname <> ALL(%s) ORDER BY datname",
        [known],
    ).fetchall()
    holding = []
    for (name,) in others:
        with connect(target.server, name) as other:
            if _has_extension(other, "citus") and leaving & {
                node.address for node in _nodes(other)
            }:
                holding.append(str(name))
    if holding:
        raise CitusError(
            f"{_names(sorted(leaving, key=str))} cannot leave: it is a member of databases that the"
            f" configuration does not know: {_names(holding)}. Make each a project, or drop it;"
            " a project that leaves the configuration does so in an `up` before this one"
        )


def _check_replica_identity(session: Session) -> None:
    """Logical replication needs to know each row: the condition is Citus' own, for all tables."""
    rows = session.execute(
        """
        SELECT c.oid::regclass::text
        FROM pg_dist_partition p JOIN pg_class c ON c.oid = p.logicalrelid
        WHERE c.relkind = 'r' AND c.relreplident <> 'f'
          AND EXISTS (
            SELECT FROM pg_dist_shard s JOIN pg_dist_placement l USING (shardid)
            WHERE s.logicalrelid = c.oid AND l.groupid <> 0)
          AND NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = c.oid AND i.indisvalid
              AND CASE c.relreplident
                    WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
        ORDER BY 1
        """
    ).fetchall()
    if rows:
        tables = _names(row[0] for row in rows)
        raise CitusError(
            f"shards cannot move online while a table has neither a primary key nor a replica"
            f" identity: {tables}. Give it one (ALTER TABLE {rows[0][0]} REPLICA IDENTITY FULL),"
            " or set citus.rebalance to block_writes"
        )


def _check_wal_level(admin: Session, session: Session, target: Target, change: Change) -> None:
    """Citus does not check it: its tasks would fail and be tried again for half an hour."""
    show = sql.SQL("SELECT current_setting('wal_level')")
    levels = {str(target.coordinator): value(session, "SHOW wal_level")}
    holders = [node.address for node in change.leaving if node.shards]
    for worker in [*target.workers, *holders]:
        levels[str(worker)] = ask_worker(admin, worker, MAINTENANCE_DATABASE, show)
    wrong = [f"{node} ({level})" for node, level in levels.items() if level != "logical"]
    if wrong:
        raise CitusError(
            f"shards cannot move online: wal_level must be logical on every node, and is not on"
            f" {_names(wrong)}. Set it there and restart, or set citus.rebalance to block_writes"
        )


# -- Steps -------------------------------------------------------------------------------------


def _join(admin: Session, session: Session, target: Target, change: Change) -> None:
    database, server = target.database, target.server
    create = _create_statement(admin, database)
    _each(change.joining, lambda worker: _prepare(server, worker, database, create))
    resuming = [node.address for node in change.resuming]
    with _registration(admin):
        _set_coordinator(session, target.coordinator)
        for worker in change.joining:
            session.execute("SELECT citus_add_node(%s, %s)", [worker.host, worker.port])
        for node in change.resuming:
            if not node.active:
                session.execute(
                    "SELECT citus_activate_node(%s, %s)", [node.address.host, node.address.port]
                )
    _set_takes_shards(session, resuming, True)
    _claim_orphans(session, change.joining)
    if target.owner is not None:
        # Only now: registering has copied the role to the workers.
        for worker in target.workers:
            _set_owner(admin, worker, database, target.owner)


def _claim_orphans(session: Session, joined: Sequence[Address]) -> None:
    """Hands what removed workers have left behind to those that joined.

    Moves leave tables to be dropped later, noted in `pg_dist_cleanup`. Citus skips the notes on a
    node that has been removed since, and refuses to move those shards ever again. A worker that
    joins may be that node, on its old volume: as it has no shards yet, all that is noted can go.
    The next rebalance begins with it.
    """
    if value(session, "SELECT to_regclass('pg_catalog.pg_dist_cleanup')") is None:
        return  # before Citus 11.1
    session.execute(
        """
        WITH orphaned AS (
            DELETE FROM pg_dist_cleanup c
            WHERE NOT EXISTS (SELECT FROM pg_dist_node n WHERE n.groupid = c.node_group_id)
            RETURNING *)
        INSERT INTO pg_dist_cleanup
        SELECT nextval('pg_catalog.pg_dist_cleanup_recordid_seq'),
               o.operation_id, o.object_type, o.object_name, n.groupid, o.policy_type
        FROM orphaned o CROSS JOIN pg_dist_node n
        WHERE n.nodename || ':' || n.nodeport = ANY(%s)
        """,
        [[str(address) for address in joined]],
    )


def _leave(
    admin: Session, session: Session, target: Target, change: Change, leaving: Sequence[Node]
) -> None:
    addresses = [node.address for node in leaving]
    removed: set[Address] = set()
    try:
        _set_takes_shards(session, addresses, False)
        if change.fills:
            # Balancing empties them too.
            _balance(session, target, drain_only=False, purpose=_balance_purpose(target))
        elif change.drains:
            _balance(session, target, drain_only=True, purpose=f"off {_names(addresses)}")
        session.execute("CALL citus_cleanup_orphaned_resources()")
        for node in _nodes(session):
            if node.address in addresses and node.shards:
                raise CitusError(
                    f"{node.address} still holds {node.shards} shards after it was drained."
                    " Run `pulumi up` again"
                )
        with _registration(admin):
            for address in addresses:
                _remove_node(session, address)
                removed.add(address)
    except BaseException:  # an interrupt too must leave a node that can be used
        _resume(target, [address for address in addresses if address not in removed])
        raise


def _balance(session: Session, target: Target, *, drain_only: bool, purpose: str) -> None:
    rebalance(session, target.database, drain_only=drain_only, mode=target.mode, purpose=purpose)


def _balance_purpose(target: Target) -> str:
    return f"to balance {len(target.workers)} workers"


def _resume(target: Target, addresses: Sequence[Address]) -> None:
    """Lets workers take shards again, over a new session: the old one may be what has broken."""
    try:
        with connect(target.server, target.database) as session:
            registered = {node.address for node in _nodes(session)}
            _set_takes_shards(session, [a for a in addresses if a in registered], True)
    except (CitusError, psycopg.Error) as error:
        say(
            f"{target.database}: {_names(addresses)} may be left with shouldhaveshards = false"
            f" ({error}); the next `pulumi up` sees to it"
        )


def _remove_dead(admin: Session, session: Session, dead: Sequence[Node]) -> None:
    """Takes out workers that hold nothing of their own; while registered they block the others."""
    for node in dead:
        with _registration(admin):
            if node.copies and node.active:
                session.execute(
                    "SELECT citus_disable_node(%s, %s, synchronous => true)",
                    [node.address.host, node.address.port],
                )
            _remove_node(session, node.address)


def _prepare(server: Server, worker: Address, database: str, create: sql.Composable) -> None:
    """Gives a worker the database and the extension."""
    with connect(server, MAINTENANCE_DATABASE) as admin:
        exists = sql.SQL("SELECT datname FROM pg_database WHERE datname = {}").format(database)
        if ask_worker(admin, worker, MAINTENANCE_DATABASE, exists) is None:
            on_worker(admin, worker, MAINTENANCE_DATABASE, create)
        on_worker(admin, worker, database, sql.SQL("CREATE EXTENSION IF NOT EXISTS citus"))


def _create_statement(admin: Session, database: str) -> sql.Composed:
    """Makes the database as the coordinator's is: queries sort partly here and partly there."""
    row = admin.execute(
        """
        SELECT pg_encoding_to_char(encoding), datcollate, datctype,
               CASE datlocprovider WHEN 'i' THEN 'icu' ELSE 'libc' END,
               coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale')
        FROM pg_database d WHERE datname = %s
        """,
        [database],
    ).fetchone()
    if row is None:
        raise CitusError("it does not exist on the coordinator")
    encoding, collate, ctype, provider, locale = row
    statement = sql.SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        " LOCALE_PROVIDER {}"
    ).format(sql.Identifier(database), encoding, collate, ctype, sql.Identifier(provider))
    if provider == "icu":
        statement += sql.SQL(" ICU_LOCALE {}").format(locale)
    return statement


def _set_coordinator(session: Session, address: Address) -> None:
    """First of all: the first distributed table would otherwise register `localhost` for good."""
    registered = session.execute(
        "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid = 0"
    ).fetchone()
    if registered != (address.host, address.port):
        session.execute("SELECT citus_set_coordinator_host(%s, %s)", [address.host, address.port])


def _set_owner(admin: Session, worker: Address, database: str, owner: str) -> None:
    actual = sql.SQL(
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = {}"
    ).format(database)
    if ask_worker(admin, worker, MAINTENANCE_DATABASE, actual) != owner:
        alter = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(database), sql.Identifier(owner)
        )
        on_worker(admin, worker, MAINTENANCE_DATABASE, alter)


def _close_to_others(admin: Session, target: Target) -> None:
    """PostgreSQL lets every role into every database: leave only the owner, and superusers."""
    revoke = sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(
        sql.Identifier(target.database)
    )
    admin.execute(revoke)
    # Citus would send it on from a worker too; each node is told here.
    alone = sql.SQL("SET citus.enable_ddl_propagation TO off; ") + revoke
    for worker in target.workers:
        on_worker(admin, worker, MAINTENANCE_DATABASE, alone)


def _set_takes_shards(session: Session, workers: Sequence[Address], takes: bool) -> None:
    for worker in workers:
        session.execute(
            "SELECT citus_set_node_property(%s, %s, 'shouldhaveshards', %s)",
            [worker.host, worker.port, takes],
        )


def _remove_node(session: Session, address: Address) -> None:
    try:
        session.execute("SELECT citus_remove_node(%s, %s)", [address.host, address.port])
    except psycopg.Error as error:
        if "does not exist" not in describe(error):  # somebody else has removed it
            raise


def _drop_on(server: Server, worker: Address, database: str) -> None:
    """Drops a worker's database, with the sessions in it."""
    with connect(server, MAINTENANCE_DATABASE) as admin:
        await_worker(admin, worker, patience=LEAVING_PATIENCE)
        exists = sql.SQL("SELECT datname FROM pg_database WHERE datname = {}").format(database)
        if ask_worker(admin, worker, MAINTENANCE_DATABASE, exists) is None:
            return
        name = sql.Identifier(database)
        # Citus' daemon and other nodes would come back between the end of their session and the
        # drop.
        close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name)
        on_worker(admin, worker, MAINTENANCE_DATABASE, close)
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
        retrying = Retrying(
            retry=retry_if_exception_type(psycopg.errors.ObjectInUse),
            wait=wait_fixed(RETRY_SECONDS),
            stop=stop_after_delay(DROP_PATIENCE),
            reraise=True,
        )
        retrying(on_worker, admin, worker, MAINTENANCE_DATABASE, drop)


# -- Sessions, locks and looks -------------------------------------------------------------------


@contextmanager
def _sessions(target: Target) -> Iterator[tuple[Session, Session]]:
    """A session in the maintenance database, with dblink, and one in the target's database."""
    with connect(target.server, MAINTENANCE_DATABASE, patience=target.patience) as admin:
        _ensure_dblink(admin)
        with connect(target.server, target.database) as session:
            yield admin, session


@contextmanager
def _registration(admin: Session) -> Iterator[None]:
    """Holds the lock under which nodes are added and removed.

    It is one for the cluster, in the maintenance database: roles are cluster-wide, and registering
    two databases at once fails with `tuple concurrently updated`.
    """
    admin.execute("SELECT pg_advisory_lock(hashtext(%s))", [REGISTRATION])
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # a lost session has lost the lock
            admin.execute("SELECT pg_advisory_unlock(hashtext(%s))", [REGISTRATION])


@contextmanager
def _exclusive(session: Session, target: Target) -> Iterator[None]:
    """Holds the lock on this database's membership: one run at a time.

    The other run may be one whose engine was killed; while its job moves shards, wait for it.
    """

    def take() -> None:
        if not value(session, "SELECT pg_try_advisory_lock(hashtext(%s))", [MEMBERSHIP]):
            if _has_extension(session, "citus"):
                await_running(session, target.database)
            raise NotReadyError(
                "another run is changing its workers. Wait for it, then run `pulumi up` again"
            )

    Retrying(
        retry=retry_if_exception_type(NotReadyError),
        wait=wait_fixed(RETRY_SECONDS),
        stop=stop_after_delay(target.patience),
        reraise=True,
    )(take)
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            session.execute("SELECT pg_advisory_unlock(hashtext(%s))", [MEMBERSHIP])


def _ensure_dblink(admin: Session) -> None:
    if _has_extension(admin, "dblink"):
        return
    with _registration(admin):
        # The coordinator alone needs it, also while a worker is down.
        admin.execute("SET citus.enable_ddl_propagation = off")
        _ensure_extension(admin, "dblink")


def _ensure_extension(session: Session, name: str) -> None:
    if not _has_extension(session, name):
        session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))


def _nodes(session: Session) -> list[Node]:
    rows = session.execute(
        """
        SELECT n.nodename, n.nodeport, n.isactive, n.shouldhaveshards,
               count(t) FILTER (WHERE NOT (t.partmethod = 'n' AND t.repmodel = 't')),
               count(t) FILTER (WHERE t.partmethod = 'n' AND t.repmodel = 't')
        FROM pg_dist_node n
        LEFT JOIN pg_dist_placement p USING (groupid)
        LEFT JOIN pg_dist_shard s USING (shardid)
        LEFT JOIN pg_dist_partition t USING (logicalrelid)
        WHERE n.groupid <> 0 AND n.noderole = 'primary'
        GROUP BY n.nodeid, n.nodename, n.nodeport, n.isactive, n.shouldhaveshards
        ORDER BY n.nodeid
        """
    ).fetchall()
    return [
        Node(
            address=Address(name, port),
            active=active,
            takes_shards=takes_shards,
            shards=shards,
            copies=copies,
        )
        for name, port, active, takes_shards, shards, copies in rows
    ]


def _answers(admin: Session, worker: Address) -> bool:
    try:
        await_worker(admin, worker, patience=LEAVING_PATIENCE)
    except NotReadyError:
        return False
    return True


def _has_database(admin: Session, database: str) -> bool:
    return bool(value(admin, "SELECT true FROM pg_database WHERE datname = %s", [database]))


def _has_extension(session: Session, name: str) -> bool:
    return bool(value(session, "SELECT true FROM pg_extension WHERE extname = %s", [name]))


def _each(workers: Sequence[Address], action: Callable[[Address], None]) -> None:
    """Runs an action on all workers at the same time; the first error wins, after all ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(action, workers))


def _names(items: Iterator[object] | Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)
