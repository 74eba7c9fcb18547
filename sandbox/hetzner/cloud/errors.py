"""Errors as the Hetzner Cloud API gives them."""

from typing import Any, Final

STATUS: Final = {
    "unauthorized": 401,
    "not_found": 404,
    "conflict": 409,
    "uniqueness_error": 409,
    "deprecated_api_endpoint": 410,
    "resource_unavailable": 412,
    "invalid_input": 422,
    "resource_limit_exceeded": 422,
    "placement_error": 422,
    "unsupported_error": 422,
    "resource_in_use": 422,
    "no_subnet_available": 422,
    "ip_not_available": 422,
    "server_already_attached": 422,
    "firewall_already_applied": 422,
    "incompatible_network_type": 422,
    "server_not_stopped": 422,
    "server_error": 500,
    "service_error": 422,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
    "not_implemented": 501,
    "bad_gateway": 502,
    "timeout": 504,
}
"""HTTP status by the error's code."""


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        code: one of `STATUS`.
        message: what a person reads.
        details: for `invalid_input` the fields, `{"fields": [{"name", "messages"}]}`.
    """

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    @property
    def body(self) -> dict[str, Any]:
        """The answer's body."""
        return {
            "error": {"code": self.code, "message": self.message, "details": self.details or {}}
        }


def invalid(field: str, message: str) -> ApiError:
    """`invalid_input` because of one field."""
    return ApiError(
        "invalid_input",
        f"invalid input in field '{field}': {message}",
        {"fields": [{"name": field, "messages": [message]}]},
    )


def not_found(kind: str, name: object) -> ApiError:
    """`not_found`, in Hetzner's words."""
    return ApiError("not_found", f"{kind} with ID '{name}' not found")


def protected(kind: str, name: object) -> ApiError:
    """`protected`: the delete protection is on."""
    return ApiError("protected", f"{kind} with ID '{name}' is delete protected")
