"""Serves the provider. Usage: python -m standin.postgresql VERSION."""

import sys

from standin.postgresql.database import Database
from standin.postgresql.extension import Extension
from standin.postgresql.grant import Grant
from standin.postgresql.role import Role
from standin.postgresql.server import CONFIG, Server
from standin.server import Package, serve

serve(
    Package(
        name="postgresql",
        version=sys.argv[1],
        config=CONFIG,
        connect=Server,
        resources=[Role(), Database(), Extension(), Grant()],
    )
)
