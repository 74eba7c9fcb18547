"""The HTTP API."""

import functools
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from cloud import catalog
from cloud.errors import ApiError, not_found
from cloud.project import Project
from cloud.query import page, select
from cloud.resources.base import Collection
from cloud.store import Record

_log = logging.getLogger(__name__)
_Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class RateLimit:
    """A number of requests an hour, each coming back after its share of the hour."""

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._left = float(per_hour)
        self._at = time.monotonic()

    def take(self) -> dict[str, str]:
        """Counts a request. Returns the answer's headers.

        Raises:
            ApiError: `rate_limit_exceeded` when none is left.
        """
        now = time.monotonic()
        self._left = min(self._per_hour, self._left + (now - self._at) * self._per_hour / 3600)
        self._at = now
        if self._left < 1:
            raise ApiError(
                "rate_limit_exceeded", f"limit of {self._per_hour} requests per hour reached"
            )
        self._left -= 1
        full = time.time() + (self._per_hour - self._left) * 3600 / self._per_hour
        return {
            "RateLimit-Limit": str(self._per_hour),
            "RateLimit-Remaining": str(int(self._left)),
            "RateLimit-Reset": str(int(full)),
        }


def application(project: Project, token: str, requests_per_hour: int) -> Starlette:
    """The API of one project.

    Args:
        project: what it serves.
        token: the only one that is let in.
        requests_per_hour: the rate limit; Hetzner's is 3600.
    """
    limit = RateLimit(requests_per_hour)

    def endpoint(handler: Callable[[Request], Awaitable[tuple[int, Record | None]]]) -> _Handler:
        """Lets in, limits, saves, and turns errors into answers."""

        async def handle(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                _authenticate(request, token)
                headers = limit.take()
                status, body = await handler(request)
            except ApiError as error:
                status, body = error.status, error.body
            except Exception as error:
                _log.exception("%s %s", request.method, request.url.path)
                wrong = ApiError("server_error", f"the sandbox could not do this: {error}")
                status, body = wrong.status, wrong.body
            if request.method != "GET":
                project.store.save()
            if body is None:
                return Response(status_code=status, headers=headers)
            return JSONResponse(body, status, headers)

        return handle

    def route(path: str, handler: Any, *methods: str) -> Route:
        return Route(path, endpoint(handler), methods=methods)

    routes = [
        *_catalog_routes(route),
        route("/actions", _list("actions", project.actions.find, ("id", "status")), "GET"),
        route("/actions/{id}", _action(project), "GET"),
        *_record_set_routes(project, route),
    ]
    for collection in project.collections:
        routes += _collection_routes(project, collection, route)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await project.resume()
        yield
        await project.actions.drain()

    return Starlette(
        routes=[Mount("/v1", routes=routes)],
        lifespan=lifespan,
        exception_handlers={404: _no_such_path, 405: _no_such_path},
    )


async def _no_such_path(request: Request, _: Exception) -> Response:
    error = ApiError(
        "not_implemented",
        f"the sandbox's Hetzner API does not have {request.method} {request.url.path}",
    )
    return JSONResponse(error.body, error.status)


def _authenticate(request: Request, token: str) -> None:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind != "Bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        raise ApiError("unauthorized", "unable to authenticate")


async def _body(request: Request) -> Record:
    content = await request.body()
    try:
        body = json.loads(content or "{}")
    except ValueError:
        raise ApiError("invalid_input", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError("invalid_input", "the body is not a JSON object")
    return body


def _list(
    name: str, records: Callable[[], Sequence[Record]], filters: Sequence[str] = ("name",)
) -> Any:
    async def handler(request: Request) -> tuple[int, Record]:
        chosen = select(records(), request.query_params, filters)
        shown, meta = page(chosen, request.query_params)
        return 200, {name: shown, "meta": meta}

    return handler


def _catalog_routes(route: Any) -> list[Route]:
    kinds: list[tuple[str, str, list[Record], tuple[str, ...]]] = [
        ("location", "locations", catalog.LOCATIONS, ("name",)),
        ("server_type", "server_types", catalog.SERVER_TYPES, ("name",)),
        ("image", "images", catalog.IMAGES, ("name", "architecture", "type", "status")),
    ]

    def one(kind: str, records: list[Record]) -> Any:
        async def handler(request: Request) -> tuple[int, Record]:
            for record in records:
                if str(record["id"]) == request.path_params["id"]:
                    return 200, {kind: record}
            raise not_found(kind, request.path_params["id"])

        return handler

    async def pricing(_: Request) -> tuple[int, Record]:
        return 200, {"pricing": catalog.PRICING}

    async def datacenters(_: Request) -> tuple[int, Record]:
        raise ApiError("deprecated_api_endpoint", "datacenters are gone: use locations")

    routes = [route("/pricing", pricing, "GET"), route("/datacenters", datacenters, "GET")]
    for kind, plural, records, filters in kinds:
        everything = _list(plural, functools.partial(list, records), filters)
        routes += [
            route(f"/{plural}", everything, "GET"),
            route(f"/{plural}/{{id}}", one(kind, records), "GET"),
        ]
    return routes


def _action(project: Project) -> Any:
    async def handler(request: Request) -> tuple[int, Record]:
        return 200, {"action": project.actions.get(request.path_params["id"])}

    return handler


def _collection_routes(project: Project, collection: Collection, route: Any) -> list[Route]:
    plural = collection.plural

    def record(request: Request) -> Record:
        return collection.get(request.path_params["id"])

    def views() -> list[Record]:
        return [collection.view(record) for record in collection.table.values()]

    async def create(request: Request) -> tuple[int, Record]:
        return 201, await collection.create(await _body(request))

    async def get(request: Request) -> tuple[int, Record]:
        return 200, collection.answer(record(request))

    async def update(request: Request) -> tuple[int, Record]:
        return 200, await collection.update(record(request), await _body(request))

    async def delete(request: Request) -> tuple[int, Record | None]:
        answer = await collection.delete(record(request))
        return (204, None) if answer is None else (200, answer)

    async def act(request: Request) -> tuple[int, Record]:
        return 201, _act_on(collection, record(request), request, await _body(request))

    async def actions(request: Request) -> tuple[int, Record]:
        found = project.actions.find((collection.kind, record(request)["id"]))
        return await _list("actions", lambda: found, ("id", "status"))(request)  # type: ignore[no-any-return]

    def all_actions() -> list[Record]:
        return [
            action
            for action in project.actions.find()
            if any(resource["type"] == collection.kind for resource in action["resources"])
        ]

    return [
        route(f"/{plural}", _list(plural, views, collection.filters), "GET"),
        route(f"/{plural}", create, "POST"),
        route(f"/{plural}/actions", _list("actions", all_actions, ("id", "status")), "GET"),
        route(f"/{plural}/actions/{{id}}", _action(project), "GET"),
        route(f"/{plural}/{{id}}", get, "GET"),
        route(f"/{plural}/{{id}}", update, "PUT"),
        route(f"/{plural}/{{id}}", delete, "DELETE"),
        route(f"/{plural}/{{id}}/actions", actions, "GET"),
        route(f"/{plural}/{{id}}/actions/{{command}}", act, "POST"),
    ]


def _act_on(collection: Collection, record: Record, request: Request, body: Record) -> Record:
    """Runs the action that the path names. Returns the answer."""
    command = request.path_params["command"]
    method = getattr(collection, f"do_{command}", None)
    if method is None:
        raise ApiError(
            "not_implemented", f"the sandbox's {collection.plural} have no action {command!r}"
        )
    answer: Record = method(record, body)
    return answer


def _record_set_routes(project: Project, route: Any) -> list[Route]:
    sets = project.rrsets
    one = "/zones/{zone}/rrsets/{name}/{type}"

    def zone(request: Request) -> Record:
        return project.zones.get(request.path_params["zone"])

    def record(request: Request) -> Record:
        return sets.in_zone(zone(request), request.path_params["name"], request.path_params["type"])

    async def everything(request: Request) -> tuple[int, Record]:
        found = sets.of_zone(zone(request))
        return await _list("rrsets", lambda: found, sets.filters)(request)  # type: ignore[no-any-return]

    async def create(request: Request) -> tuple[int, Record]:
        return 201, sets.create_in(zone(request), await _body(request))

    async def get(request: Request) -> tuple[int, Record]:
        return 200, sets.answer(record(request))

    async def update(request: Request) -> tuple[int, Record]:
        return 200, await sets.update(record(request), await _body(request))

    async def delete(request: Request) -> tuple[int, Record | None]:
        return 200, await sets.delete(record(request))

    async def act(request: Request) -> tuple[int, Record]:
        return 201, _act_on(sets, record(request), request, await _body(request))

    return [
        route("/zones/{zone}/rrsets", everything, "GET"),
        route("/zones/{zone}/rrsets", create, "POST"),
        route(one, get, "GET"),
        route(one, update, "PUT"),
        route(one, delete, "DELETE"),
        route(f"{one}/actions/{{command}}", act, "POST"),
    ]
