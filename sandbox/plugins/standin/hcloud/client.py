"""The Hetzner Cloud API: the provider's settings, requests and error messages."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from standin.resource import Property, StandInError
from standin.values import Properties

CONFIG: Final[Mapping[str, Property]] = {
    "token": Property(kind=str, secret=True),
    "endpoint": Property(kind=str),
    "pollInterval": Property(kind=str, default="500ms"),
    "pollFunction": Property(kind=str, default="exponential", allowed=("constant", "exponential")),
}

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TOKEN_LENGTH = 64
_ENDPOINT = "https://api.hetzner.cloud/v1"


class ApiError(StandInError):
    """A request that Hetzner refused.

    Attributes:
        code: Hetzner's error code.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Cloud:
    """Sends requests, and waits for the actions that they start.

    Raises:
        StandInError: for a token that cannot be one, and a poll interval that is no duration.
    """

    def __init__(self, settings: Properties) -> None:
        from hcloud import Client, constant_backoff_function, exponential_backoff_function

        token = settings.get("token") or os.environ.get("HCLOUD_TOKEN", "")
        if len(token) != _TOKEN_LENGTH:
            raise StandInError(
                f"entered token is invalid (must be exactly {_TOKEN_LENGTH} characters long): "
                "set hcloud:token or HCLOUD_TOKEN"
            )
        endpoint = settings.get("endpoint") or os.environ.get("HCLOUD_ENDPOINT") or _ENDPOINT
        interval = _seconds(settings["pollInterval"])
        self._client = Client(
            token,
            api_endpoint=endpoint,
            application_name="pulumi-hcloud-stand-in",
            poll_interval=constant_backoff_function(interval)
            if settings["pollFunction"] == "constant"
            else exponential_backoff_function(base=interval, multiplier=2, cap=60),
        )

    def request(self, method: str, path: str, body: Properties | None = None) -> Any:
        """Sends a request; waits for all actions of the answer."""
        answer = self.send(method, path, body)
        self.wait(answer)
        return answer

    def send(self, method: str, path: str, body: Properties | None = None) -> Any:
        """Sends a request, whose actions may go on after the answer."""
        with _errors(f"{method} {path}"):
            return self._client.request(
                method=method, url=path, **({} if body is None else {"json": body})
            )

    def wait(self, answer: Properties) -> None:
        """Waits for all actions of an answer."""
        from hcloud.actions import BoundAction

        first = answer.get("action")
        for action in [first, *answer.get("actions", []), *answer.get("next_actions", [])]:
            if action:
                with _errors(f"action {action['command']}"):
                    BoundAction(self._client.actions, data=action).wait_until_finished(
                        max_retries=10_000
                    )

    def get(self, path: str) -> Any:
        """The answer, or nothing when what the path names is gone."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.code != "not_found":
                raise
        return None

    def act(self, path: str, command: str, body: Properties | None = None) -> None:
        """Starts an action and waits for it."""
        self.wait(self.start(path, command, body))

    def start(self, path: str, command: str, body: Properties | None = None) -> Any:
        """Starts an action. Tries again while others use what it needs."""
        for pause in (1, 2, 4, 8, None):
            try:
                return self.send("POST", f"{path}/actions/{command}", body or {})
            except ApiError as error:
                if pause is None or error.code not in ("conflict", "locked"):
                    raise
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def delete(self, path: str) -> None:
        """Deletes; what is gone already is fine."""
        try:
            self.request("DELETE", path)
        except ApiError as error:
            if error.code != "not_found":
                raise


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """Raises StandInError for whatever the client raises."""
    from hcloud import APIException, HCloudException
    from hcloud.actions import ActionException
    from requests import RequestException

    try:
        yield
    except APIException as error:
        raise ApiError(error.message, str(error.code)) from None
    except ActionException as error:
        raise StandInError(str(error)) from None
    except (HCloudException, RequestException) as error:
        raise StandInError(f"{what}: {error}") from None


def _seconds(duration: str) -> float:
    """The value of one of Go's durations, such as 1m30s."""
    parts = re.findall(r"([0-9.]+)(ms|[smh])", duration)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != duration:
        raise StandInError(f"pollInterval: {duration!r} is no duration such as 500ms or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
