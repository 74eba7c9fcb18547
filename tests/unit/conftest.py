"""Runs the whole program under Pulumi's mocks and records what it registers."""

import asyncio
import json
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from zlib import crc32

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import settings as hypothesis_settings
from pulumi.runtime import mocks, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.stack import run_in_stack

from components.hosts.engine import Engine
from config.cost import Prices
from config.offer import Offer, ServerType, SshKey
from ops.stack import REPOSITORY

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")

LAPTOP = Engine(endpoint="unix:///docker.sock", architecture="amd64", cpus=8, memory_mb=16384)
TYPES = {"cx33": (4, 8), "cx43": (8, 16), "ccx23": (4, 16)}
"""Cores, and memory in GB."""
OFFER = Offer(
    locations={"fsn1": "eu-central", "ash": "us-east"},
    server_types=[
        ServerType(
            name=name,
            cores=cores,
            memory_gb=memory,
            disk_gb=80,
            architecture="x86",
            locations={"fsn1": True},
            monthly_price={"fsn1": Decimal(memory)},
        )
        for name, (cores, memory) in TYPES.items()
    ],
    ssh_keys=[SshKey(id=77, name="laptop", public_key="ssh-ed25519 bGFwdG9w", labels={})],
    servers=[],
)
PRICES = Prices(
    currency="EUR",
    server={name: {"fsn1": Decimal(memory)} for name, (_, memory) in TYPES.items()},
    volume_gb_month=Decimal("0.05"),
    primary_ip_month={"fsn1": Decimal("0.5")},
)
SECRET_MARK = "4dabf18193072939515e22adb298388d"
"""Key of a secret in Pulumi's wire format."""


@dataclass(frozen=True)
class Registered:
    """A resource as the engine sees it.

    Attributes:
        inputs: with secrets in the clear.
        wire: inputs as sent, where a secret is wrapped.
        options: the request's options.
    """

    type: str
    name: str
    inputs: Mapping[str, Any]
    wire: Mapping[str, Any]
    options: Any

    def depends_on(self, name: str) -> bool:
        return any(urn.endswith(f"::{name}") for urn in self.options.dependencies)


def number(name: str) -> int:
    """The id of a resource at Hetzner."""
    return crc32(name.encode())


def public_ip(server: str) -> str:
    """The address of a server, in 198.18.0.0/15."""
    return str(IPv4Address("198.18.0.0") + number(server) % 2**17)


class Providers(mocks.Mocks):
    """Answers as the providers would: ids and addresses follow from the names."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs: dict[str, Any] = dict(args.inputs)
        secret = pulumi.Output.secret(f"secret-of-{args.name}")
        match args.typ:
            case "random:index/randomPassword:RandomPassword":
                outputs["result"] = secret
            case "docker:index/remoteImage:RemoteImage":
                outputs["imageId"] = f"sha256:{args.inputs['name']}"
            case "minio:index/iamServiceAccount:IamServiceAccount":
                outputs |= {"accessKey": f"key-of-{args.name}", "secretKey": secret}
            case "hcloud:index/primaryIp:PrimaryIp":
                outputs["ipAddress"] = public_ip(args.name.removesuffix("-ip"))
            case "tls:index/privateKey:PrivateKey":
                outputs |= {"privateKeyPem": secret, "privateKeyOpenssh": secret}
                outputs["publicKeyOpenssh"] = f"ssh-ed25519 public-of-{args.name}\n"
            case "tls:index/certRequest:CertRequest":
                outputs["certRequestPem"] = f"request-of-{args.name}"
            case "tls:index/selfSignedCert:SelfSignedCert":
                outputs["certPem"] = f"certificate-of-{args.name}"
            case "tls:index/locallySignedCert:LocallySignedCert":
                outputs["certPem"] = f"certificate-of-{args.name}"
        if args.typ.startswith("hcloud:"):
            return str(number(args.name)), outputs
        return f"id-of-{args.name}", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program calls {args.token}")


class RecordingMonitor(mocks.MockMonitor):
    """Records every registration."""

    def __init__(self) -> None:
        super().__init__(Providers())
        self.registered: list[Registered] = []
        self.outputs: Mapping[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        self.registered.append(
            Registered(
                request.type,
                request.name,
                _unwrapped(MessageToDict(request.object)),
                MessageToDict(request.object),
                request,
            )
        )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if "pulumi:pulumi:Stack" in request.urn:
            self.outputs = MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        if SECRET_MARK in value:
            return _unwrapped(value["value"])
        return {key: _unwrapped(item) for key, item in value.items()}
    return [_unwrapped(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Program:
    """What one run of the program registered, and its outputs as sent."""

    resources: list[Registered]
    outputs: Mapping[str, Any]

    def of_type(self, suffix: str) -> list[Registered]:
        return [resource for resource in self.resources if resource.type.endswith(f":{suffix}")]

    def named(self, name: str, suffix: str) -> Registered:
        (found,) = [resource for resource in self.of_type(suffix) if resource.name == name]
        return found

    @property
    def services(self) -> list[Registered]:
        """The containers that keep running."""
        return [c for c in self.of_type("Container") if c.inputs.get("mustRun", True)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Runs `__main__.py` with the given sections of the config, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(
        *,
        stack: str = "dev",
        on: Engine = LAPTOP,
        taken: Sequence[str] = (),
        offer: Offer = OFFER,
        prices: Prices | None = PRICES,
        silent: Sequence[str] = (),
        preview: bool = False,
        **sections: Any,
    ) -> Program:
        monkeypatch.setattr("program.hetzner_site.read_offer", lambda *_: offer)
        monkeypatch.setattr("program.hetzner_site.read_prices", lambda *_: prices)
        monkeypatch.setattr("program.hetzner_site.unreachable", lambda *_, **__: list(silent))
        monkeypatch.setattr("program.local_site.find_engine", lambda: on)
        monkeypatch.setattr("program.local_site.taken_ports", lambda *_: iter(taken))
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        monitor = RecordingMonitor()
        mocks.set_mocks(
            Providers(), project="arquitectura", stack=stack, preview=preview, monitor=monitor
        )
        # The mocks' own root would take no outputs.
        settings.set_root_resource(None)  # type: ignore[arg-type]
        set_all_config(
            {
                f"arquitectura:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in sections.items()
            }
        )

        def program() -> None:
            runpy.run_path(str(REPOSITORY / "__main__.py"))

        loop.run_until_complete(run_in_stack(program))
        return Program(monitor.registered, monitor.outputs)

    yield run
    set_all_config({})
    settings.reset_options()
