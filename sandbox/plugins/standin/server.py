"""Serves resource types as a Pulumi provider, over gRPC.

Pulumi's protocol is used directly: the SDK's provider classes take 0.3 s to import, add tracebacks
to every message, and the plugin needs nothing else of the SDK.
"""

import hashlib
import importlib
import importlib.util
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty

from standin.resource import (
    Client,
    HalfMadeError,
    Property,
    Resource,
    StandInError,
    check,
    differences,
)
from standin.values import UNKNOWN, Properties, from_struct, is_known, to_struct

if TYPE_CHECKING:
    from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
else:
    # `pulumi.runtime.proto` without the packages around it, which import the whole SDK.
    _sdk = importlib.util.find_spec("pulumi").submodule_search_locations[0]
    _package = types.ModuleType("pulumi_protocol")
    _package.__path__ = [f"{_sdk}/runtime/proto"]
    sys.modules[_package.__name__] = _package
    plugin_pb2 = importlib.import_module("pulumi_protocol.plugin_pb2")
    provider_pb2 = importlib.import_module("pulumi_protocol.provider_pb2")
    provider_pb2_grpc = importlib.import_module("pulumi_protocol.provider_pb2_grpc")
    status_pb2 = importlib.import_module("pulumi_protocol.status_pb2")

_MAX_MESSAGE = 400 * 1024 * 1024  # the engine's own limit
_AT_ONCE = 32
_ENDS = {signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True, kw_only=True)
class Package(Generic[Client]):
    """A provider.

    Attributes:
        name: such as `postgresql`.
        version: that of the SDK.
        config: the provider's own settings.
        connect: makes the client for the settings, without connecting.
        resources: the supported types.
    """

    name: str
    version: str
    config: Mapping[str, Property]
    connect: Callable[[Properties], Client]
    resources: Sequence[Resource[Client]]


def serve(package: Package[Any]) -> None:
    """Serves until the engine asks to end; prints the port as the engine expects."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # every thread inherits it
    server = grpc.server(
        ThreadPoolExecutor(_AT_ONCE),
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Provider(package), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait(_ENDS)
    # gRPC now and then never says that it has stopped. The engine has its answers by then.
    server.stop(grace=1).wait(2)
    os._exit(0)


class _Provider(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, package: Package[Any]) -> None:
        self._package = package
        self._types = {resource.type: resource for resource in package.resources}
        self._settings: Properties = {}
        self._made: Any = None
        self._lock = threading.Lock()

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._package.connect(self._settings)
            return self._made

    def _resource(self, urn: str, context: grpc.ServicerContext) -> Resource[Any]:
        token = urn.split("::")[2].rsplit("$", 1)[-1]
        name = token.rsplit(":", 1)[-1]
        if name not in self._types:
            _fail(
                context,
                f"{token} is not supported by this stand-in of the {self._package.name} provider, "
                f"only {', '.join(sorted(self._types))}",
            )
        return self._types[name]

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo(version=self._package.version)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return provider_pb2.GetSchemaResponse(
            schema=f'{{"name": "{self._package.name}", "version": "{self._package.version}"}}'
        )

    def Attach(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return Empty()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        inputs = _config(request.news, self._package.config)
        _, failures = check(
            self._package.config, inputs, f"the {self._package.name} provider's settings"
        )
        # Unchanged: a default stored here would be shown as the program's, and secrets stay marked.
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        olds, news = from_struct(request.old_inputs), from_struct(request.news)
        changed = [name for name in {**olds, **news} if olds.get(name) != news.get(name)]
        return _diff(dict.fromkeys(changed, (provider_pb2.PropertyDiff.UPDATE, False)), False)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        inputs = _config(request.args, self._package.config)
        self._settings, _ = check(self._package.config, inputs, self._package.name)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False,  # the engine keeps track of them
            supportsPreview=True,
            acceptResources=False,
            acceptOutputs=False,
        )

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        _fail(context, f"{request.tok} is not supported by this stand-in")

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        inputs, olds = from_struct(request.news), from_struct(request.olds)
        named = resource.autonamed
        if named and named not in inputs:
            inputs[named] = olds.get(named) or _autoname(request.urn, request.randomSeed)
        inputs, failures = check(resource.properties, inputs, resource.type)
        if not failures:
            failures = resource.validate(inputs)
        return provider_pb2.CheckResponse(
            inputs=to_struct(inputs, resource.secrets), failures=_failures(failures)
        )

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        changes = differences(
            resource.properties, from_struct(request.olds), from_struct(request.news)
        )
        return _diff(
            {
                name: (
                    getattr(
                        provider_pb2.PropertyDiff,
                        f"{change.kind}_REPLACE" if change.replace else change.kind,
                    ),
                    change.replace,
                )
                for name, change in changes.items()
            },
            resource.delete_first,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        inputs = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(
                properties=to_struct(_planned(resource, inputs, {}), resource.secrets)
            )
        try:
            resource_id, state = self._run(
                context, lambda client: resource.create(client, inputs), inputs
            )
        except HalfMadeError as error:
            _fail_by_half(
                context,
                provider_pb2.ErrorResourceInitFailed(
                    id=error.resource_id,
                    properties=to_struct(error.state, resource.secrets),
                    reasons=[str(error)],
                    inputs=request.properties,
                ),
            )
        return provider_pb2.CreateResponse(
            id=resource_id, properties=to_struct(state, resource.secrets)
        )

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        old, inputs = from_struct(request.properties), from_struct(request.inputs)
        state = self._run(context, lambda client: resource.read(client, request.id, old), old)
        if state is None:
            return provider_pb2.ReadResponse(id="")
        # After an import there are no inputs yet: they are what the server says.
        names = inputs or resource.properties
        seen = {name: state[name] for name in names if name in state}
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=to_struct(state, resource.secrets),
            inputs=to_struct(seen, resource.secrets),
        )

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        old, new = from_struct(request.olds), from_struct(request.news)
        if request.preview:
            state = _planned(resource, new, old)
        else:
            state = self._run(
                context, lambda client: resource.update(client, request.id, old, new), new
            )
        return provider_pb2.UpdateResponse(properties=to_struct(state, resource.secrets))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        resource = self._resource(request.urn, context)
        state = from_struct(request.properties)
        self._run(context, lambda client: resource.delete(client, request.id, state), state)
        return Empty()

    def _run(
        self, context: grpc.ServicerContext, operation: Callable[[Any], Any], given: Properties
    ) -> Any:
        for values in (self._settings, given):
            if not is_known(values):
                _fail(context, "a property is still unknown: it can only be planned, not done")
        try:
            return operation(self._client())
        except HalfMadeError:
            raise
        except StandInError as error:
            _fail(context, str(error))


def _fail(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")


def _fail_by_half(context: grpc.ServicerContext, made: Any) -> NoReturn:
    """Fails, and says what was made: as a detail of the status, which gRPC sends at the end."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=made.reasons[0])
    status.details.add().Pack(made)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _fail(context, made.reasons[0])


def _failures(failures: Mapping[str, str]) -> list[Any]:
    return [
        provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures.items()
    ]


def _diff(changes: Mapping[str, tuple[Any, bool]], delete_first: bool) -> Any:
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if changes else response.DIFF_NONE,
        diffs=list(changes),
        replaces=[name for name, (_, replace) in changes.items() if replace],
        detailedDiff={
            name: provider_pb2.PropertyDiff(kind=kind) for name, (kind, _) in changes.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=delete_first,
    )


def _planned(resource: Resource[Any], inputs: Properties, old: Properties) -> Properties:
    """The state after a create or an update, as far as a preview can tell."""
    state = dict(inputs)
    chosen = [name for name, declared in resource.properties.items() if declared.computed]
    for name in [*resource.outputs, *chosen]:
        state.setdefault(name, old.get(name, UNKNOWN))
    return state


def _autoname(urn: str, seed: bytes) -> str:
    return f"{urn.split('::')[-1]}-{hashlib.sha256(seed + urn.encode()).hexdigest()[:7]}"


def _config(struct: Any, properties: Mapping[str, Property]) -> Properties:
    """Provider settings, which the SDK sends as text whatever their type."""
    parsers: dict[type, Callable[[str], Any]] = {int: int, bool: lambda text: text == "true"}
    settings = {}
    for name, value in from_struct(struct).items():
        declared = properties.get(name)
        if name in ("version", "pluginDownloadURL"):
            continue
        if isinstance(value, str) and declared and declared.kind in parsers:
            try:
                settings[name] = parsers[declared.kind](value)
                continue
            except ValueError:
                pass  # the check says what is wrong with it
        settings[name] = value
    return settings
