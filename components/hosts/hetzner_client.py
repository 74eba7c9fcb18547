"""What every use of the Hetzner Cloud API has in common: the client, and errors as sentences."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcloud import Client
    from hcloud.actions import BoundAction

TOKEN_LENGTH = 64
SSH_PORT = 22

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
"""How long a request may take to reach the API, and then to be answered. The client itself tries
again what timed out, was in conflict or came too fast: five times, for half a minute together."""

ACTION_SECONDS = 120
"""How long most actions may take; those that copy a disk or stop a server take longer."""
POLL_SECONDS = 0.5

ACCEPT_SECONDS = 180
"""How long another action may keep one from being accepted."""

_NEW_TOKEN = (
    "make a new one with read and write access in the Hetzner console (your project, Security, API "
    "tokens) and set it with: pulumi config set --secret --path 'arquitectura:hosts.token'"
)


class HetznerApiError(Exception):
    """The API refused or did not answer. Its text is a sentence for people."""


def connect(endpoint: str, token: str) -> "Client":
    """A client of one project.

    Args:
        endpoint: URL of the API, with its version.
        token: of the project.

    Raises:
        HetznerApiError: the token cannot be one.
    """
    from hcloud import Client

    if not token:
        raise HetznerApiError(f"the token of the Hetzner project is missing: {_NEW_TOKEN}")
    # Others would also end in an error that shows it.
    if not re.fullmatch(f"[A-Za-z0-9]{{{TOKEN_LENGTH}}}", token):
        raise HetznerApiError(
            f"the token of the Hetzner project has {TOKEN_LENGTH} letters and digits; what was "
            f"given has {len(token)} characters, or others: copy it again, or {_NEW_TOKEN}"
        )
    return Client(
        token,
        api_endpoint=endpoint.rstrip("/"),
        application_name="arquitectura",
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
    )


@contextmanager
def errors_as_sentences(endpoint: str) -> Iterator[None]:
    """Raises HetznerApiError for whatever the client raises."""
    from hcloud import APIException, HCloudException
    from requests import RequestException

    try:
        yield
    except APIException as error:
        raise HetznerApiError(_sentence(str(error.code), error.message)) from None
    except HCloudException as error:
        raise HetznerApiError(f"the Hetzner API: {error}") from None
    except RequestException as error:
        raise HetznerApiError(
            f"the Hetzner API at {endpoint} cannot be reached ({_reason(error)}): check this "
            "machine's connection and hosts.endpoint, then try again"
        ) from None


def _sentence(code: str, message: str) -> str:
    match code:
        case "unauthorized":
            return f"the Hetzner API refuses the token, which may have been deleted: {_NEW_TOKEN}"
        case "token_readonly" | "forbidden":
            return f"the token of the Hetzner project may not do this ({message}): {_NEW_TOKEN}"
        case "rate_limit_exceeded":
            return (
                "the Hetzner API lets in no more requests of this project for now (its limit is by "
                "the hour): try again in some minutes"
            )
        case _:
            return f"the Hetzner API: {message} ({code})"


def _reason(error: Exception) -> str:
    """The innermost cause, without the objects around it."""
    from requests import Timeout

    if isinstance(error, Timeout):
        return "no answer in time"
    found = re.search(r".*\] ([^'\"()]+)", str(error))
    return found[1].strip() if found else type(error).__name__


def takes_connections(address: str, timeout: float) -> bool:
    """Whether something listens on a server's SSH port.

    Args:
        address: host name or IP address.
        timeout: seconds to wait for it.
    """
    try:
        with socket.create_connection((address, SSH_PORT), timeout):
            return True
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float, pause: float) -> bool:
    """Whether it came to hold in time. A lost connection is no answer: it is asked again.

    Args:
        condition: what to wait for.
        seconds: to wait at most.
        pause: seconds between two looks.
    """
    from requests import RequestException
    from tenacity import (
        RetryError,
        Retrying,
        retry_if_exception_type,
        retry_if_result,
        stop_after_delay,
        wait_fixed,
    )

    try:
        Retrying(
            wait=wait_fixed(pause),
            stop=stop_after_delay(seconds),
            retry=retry_if_exception_type(RequestException)
            | retry_if_result(lambda holds: not holds),
        )(condition)
    except RetryError:
        return False
    return True


def carry_out(request: "Callable[[], BoundAction]", seconds: float, pause: float) -> None:
    """Asks for an action, also again while others use what it needs, and waits for its end.

    Args:
        request: asks for it.
        seconds: it may take at most.
        pause: seconds between two looks.

    Raises:
        HCloudException: it was refused or failed.
        HetznerApiError: it still runs after so many seconds.
    """
    from hcloud import APIException
    from hcloud.actions import ActionFailedException
    from requests import RequestException
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

    def is_passing(error: BaseException) -> bool:
        if isinstance(error, APIException):
            return error.code in ("locked", "conflict")
        return isinstance(error, RequestException)

    action = Retrying(
        wait=wait_fixed(pause),
        stop=stop_after_delay(ACCEPT_SECONDS),
        retry=retry_if_exception(is_passing),
        reraise=True,
    )(request)

    def has_ended() -> bool:
        action.reload()
        return action.status != action.STATUS_RUNNING

    if not until(has_ended, seconds, pause):
        raise HetznerApiError(f"{action.command} has not ended after {seconds:g} s")
    if action.status == action.STATUS_ERROR:
        raise ActionFailedException(action)
