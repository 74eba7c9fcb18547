"""The connections that CloudBeaver offers, as its `data-sources.json` describes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DatabaseConnection:
    """A database, and the role that logs in to it.

    Its password is not part of it: the file would hold it in the clear. Who uses it is asked once.
    """

    name: str
    database: str
    role: str


def data_sources(
    connections: Sequence[DatabaseConnection],
    *,
    host: str,
    port: int,
    properties: Mapping[str, str],
) -> str:
    """The file's text.

    Args:
        connections: one for each database.
        host: of the server, as CloudBeaver dials it.
        port: likewise.
        properties: of PostgreSQL's JDBC driver, such as `sslmode`.
    """
    return json.dumps(
        {
            "folders": {},
            "connections": {
                f"citus-{connection.name}": {
                    "provider": "postgresql",
                    "driver": "postgres-jdbc",
                    "name": f"Citus · {connection.name}",
                    "save-password": True,
                    "configuration": {
                        "host": host,
                        "port": str(port),
                        "database": connection.database,
                        # Without a URL the driver makes one, with the name escaped.
                        "configurationType": "MANUAL",
                        "type": "prod",
                        "auth-model": "native",
                        "auth-properties": {"name": connection.role},
                        "properties": dict(properties),
                    },
                }
                for connection in connections
            },
        },
        indent=1,
    )
