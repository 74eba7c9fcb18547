"""SSH to a server whose host key is known before the first connection."""

from collections.abc import Sequence

USER = "root"

SSH_FAILED = 255
"""Exit status of `ssh` when not the command has failed but the connection to it."""

CONNECT_TIMEOUT = 10
"""Seconds in which a server must answer."""


def ssh_options(host_key: str, identity_file: str | None) -> Sequence[str]:
    """Options of `ssh` for a server that has this host key and no other.

    They are all that is needed: no file of this machine has to know the server.

    Args:
        host_key: the public key, as in a line of `authorized_keys`.
        identity_file: the private key to log in with; None: what the agent offers, or the user's
            own default.
    """
    kind, key = host_key.split()[:2]
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "StrictHostKeyChecking": "yes",
        "KnownHostsCommand": f"/bin/echo %H {kind} {key}",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "LogLevel": "ERROR",
        **({"IdentityFile": identity_file, "IdentitiesOnly": "yes"} if identity_file else {}),
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def ssh_command(address: str, options: Sequence[str], *more: str) -> list[str]:
    """What logs in to a server; a command for its shell may follow.

    Args:
        options: of `ssh_options`.
        more: other options.
    """
    return ["ssh", *options, *more, f"{USER}@{address}"]


def ssh_config_entry(name: str, address: str, host_key: str, identity_file: str | None) -> str:
    """A server's section of a file for `ssh -F`, for people."""
    options = ssh_options(host_key, identity_file)[1::2]
    lines = [f"HostName={address}", f"User={USER}", *options]
    return f"Host {name}\n" + "".join(f"  {line}\n" for line in lines)
