"""How a service is reached from outside of its hosts: by applications and by Pulumi itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

HTTPS_PORT = 443


@dataclass(frozen=True, kw_only=True)
class Access:
    """An address that is served, now or once `ready` exists.

    Attributes:
        host: name or IP address that Pulumi dials.
        alias: another name, for applications.
        port: TCP port.
        tls: whether the service speaks TLS there.
        ca_file: certificates that its own is verified with, a path relative to the project, so that
            it is the same on every machine. None: the system's.
        ready: what must exist before the address answers.
    """

    host: pulumi.Input[str]
    port: int
    alias: str | None = None
    tls: bool = False
    ca_file: pulumi.Input[str] | None = None
    ready: Sequence[pulumi.Resource] = ()

    @property
    def server(self) -> pulumi.Output[str]:
        """`host:port` as Pulumi dials it, without the port where TLS has it anyway.

        MinIO's client in Go takes `192.0.2.1:443` for an IPv6 address.
        """
        return pulumi.Output.concat(self.host, "" if self._is_https else f":{self.port}")

    @property
    def endpoint(self) -> pulumi.Output[str]:
        """`host:port`, for applications."""
        return pulumi.Output.concat(self.alias or self.host, f":{self.port}")

    @property
    def url(self) -> pulumi.Output[str]:
        """The address for a web client."""
        return pulumi.Output.concat("https://" if self.tls else "http://", self.server)

    @property
    def _is_https(self) -> bool:
        return self.tls and self.port == HTTPS_PORT
