"""What the Pulumi engine does with a plugin, as far as the tests need it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"


class RefusedError(Exception):
    """The plugin refused."""


class Plugin:
    """A plugin's process, and a configured provider in it."""

    def __init__(self, name: str, folder: Path | None = None, **config: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"standin.{name}", "1.2.3"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert self.process.stdout
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.process.stdout.readline().strip()}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.name = name
        answer = self.stub.CheckConfig(
            provider_pb2.CheckRequest(urn="urn", news=struct(config)),
            wait_for_ready=True,
            timeout=20,
        )
        assert not answer.failures, answer.failures
        self.stub.Configure(provider_pb2.ConfigureRequest(args=struct(config)))

    def stop(self) -> None:
        self.channel.close()
        self.process.terminate()
        self.process.wait(timeout=10)

    def urn(self, kind: str, name: str = "it") -> str:
        return f"urn:pulumi:s::p::component$x:{self.name}/{kind.lower()}:{kind}::{name}"

    def check(self, kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Completed inputs; raises what is wrong."""
        answer = self._call(
            "Check",
            provider_pb2.CheckRequest(
                urn=self.urn(kind), news=struct(inputs), randomSeed=b"0" * 32
            ),
        )
        if answer.failures:
            raise RefusedError(
                "; ".join(f"{item.property}: {item.reason}" for item in answer.failures)
            )
        return plain(answer.inputs)

    def create(self, kind: str, inputs: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
        complete = self.check(kind, inputs)
        answer = self._call(
            "Create",
            provider_pb2.CreateRequest(urn=self.urn(kind), properties=struct(complete), **more),
        )
        self.secret = {key for key, value in answer.properties.items() if _is_secret(value)}
        return answer.id, plain(answer.properties)

    def diff(self, kind: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, bool]:
        """By property that changes, whether it replaces."""
        answer = self._call(
            "Diff",
            provider_pb2.DiffRequest(
                urn=self.urn(kind), olds=struct(state), news=struct(self.check(kind, inputs))
            ),
        )
        assert (answer.changes == answer.DIFF_SOME) == bool(answer.diffs)
        return {name: name in answer.replaces for name in answer.diffs}

    def update(
        self, kind: str, resource_id: str, state: dict[str, Any], inputs: dict[str, Any]
    ) -> dict[str, Any]:
        answer = self._call(
            "Update",
            provider_pb2.UpdateRequest(
                urn=self.urn(kind),
                id=resource_id,
                olds=struct(state),
                news=struct(self.check(kind, inputs)),
            ),
        )
        return plain(answer.properties)

    def read(
        self, kind: str, resource_id: str, state: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        answer = self._call(
            "Read",
            provider_pb2.ReadRequest(
                urn=self.urn(kind),
                id=resource_id,
                properties=struct(state or {}),
                inputs=struct(state or {}),
            ),
        )
        return plain(answer.properties) if answer.id else None

    def delete(self, kind: str, resource_id: str, state: dict[str, Any]) -> None:
        self._call(
            "Delete",
            provider_pb2.DeleteRequest(
                urn=self.urn(kind), id=resource_id, properties=struct(state)
            ),
        )

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request, timeout=60)
        except grpc.RpcError as error:
            raise RefusedError(error.details()) from None


def struct(values: dict[str, Any]) -> Struct:
    result = Struct()
    result.update(values)
    return result


def _is_secret(value: Any) -> bool:
    return isinstance(value, Struct) and SIGNATURE in value.fields


def plain(values: Struct) -> dict[str, Any]:
    """Without the marks of secrets, as the engine sends them to a plugin that wants no secrets."""
    from google.protobuf.json_format import MessageToDict

    def unmark(value: Any) -> Any:
        if isinstance(value, dict):
            return (
                unmark(value["value"])
                if SIGNATURE in value
                else {key: unmark(item) for key, item in value.items()}
            )
        return [unmark(item) for item in value] if isinstance(value, list) else value

    return {key: unmark(value) for key, value in MessageToDict(values).items()}
