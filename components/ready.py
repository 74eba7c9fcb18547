"""`HttpReady`: waits until a service answers, so that what comes after can use it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider


@dataclass(frozen=True, kw_only=True)
class HttpReadyArgs:
    """What to wait for.

    Attributes:
        url: answers 200 once the service can be used.
        service: what people call it; for the error.
        containers: ids of its containers; waits again when one is replaced.
        timeout: seconds to wait at most.
    """

    url: str
    service: str
    containers: Sequence[pulumi.Input[str]]
    timeout: int = 120


class HttpReady(Resource, name="HttpReady"):
    """A gate: it exists once `url` has answered 200.

    Raises (when it is created or updated): the service did not answer within `timeout` seconds.
    """

    def __init__(
        self, name: str, args: HttpReadyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(HttpReadyProvider(), name, vars(args), opts)


class HttpReadyProvider(Provider):
    """Polls the URL."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        return DiffResult(changes=any(olds.get(key) != news[key] for key in ("url", "containers")))

    @override
    def create(self, props: Properties) -> CreateResult:
        _wait(props["url"], props["service"], int(props["timeout"]))
        return CreateResult(id_=props["url"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        _wait(news["url"], news["service"], int(news["timeout"]))
        return UpdateResult(outs=news)


def _wait(url: str, service: str, timeout: int) -> None:
    import requests
    import tenacity

    def answers() -> bool:
        return requests.get(url, timeout=5).ok

    try:
        tenacity.Retrying(
            wait=tenacity.wait_fixed(0.2),
            stop=tenacity.stop_after_delay(timeout),
            retry=tenacity.retry_if_result(lambda ok: not ok)
            | tenacity.retry_if_exception_type(requests.RequestException),
        )(answers)
    except tenacity.RetryError:
        raise TimeoutError(
            f"{service} did not answer at {url} within {timeout} s: look into its containers' logs"
        ) from None
