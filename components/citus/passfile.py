"""The PGPASSFILE with which Citus nodes log in to each other, as whatever role runs a query."""

from collections.abc import Mapping

import pulumi

from components.container import File, OneShotArgs, written_directory
from components.hosts.host import DataDirectory, Host

POSTGRES_UID = 999
"""User and group `postgres` in the official images."""

WRITE = (
    # Written beside and renamed: a login never reads half a file.
    f"install -m 600 -o {POSTGRES_UID} -g {POSTGRES_UID} /in/pgpass /out/.pgpass\n"
    "mv /out/.pgpass /out/pgpass\n"
)


def passfile_text(passwords: Mapping[str, str]) -> str:
    """A PGPASSFILE that holds each role's password for every host and database.

    Colons and backslashes are escaped (PostgreSQL's manual, "The Password File").
    """
    return "".join(f"*:*:*:{_escape(role)}:{_escape(passwords[role])}\n" for role in passwords)


def write_passfile(
    name: str,
    host: Host,
    *,
    image: str,
    passwords: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> DataDirectory:
    """Keeps the PGPASSFILE of a host's nodes in a directory of its own.

    PostgreSQL reads it at each login, so a new password or role restarts no node.
    """
    return written_directory(
        name,
        host,
        OneShotArgs(
            service=name,
            image=image,
            script=WRITE,
            files=[
                File(path="/in/pgpass", content=pulumi.Output.all(**passwords).apply(passfile_text))
            ],
        ),
        opts,
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
