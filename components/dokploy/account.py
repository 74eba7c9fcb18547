"""`DokployAccount`: Dokploy's owner."""

from dataclasses import dataclass, field

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dokploy.api import RefusedError, Session
from components.dokploy.server import DokployError, ServerArgs, inputs_of
from components.dynamic import Properties, Provider

KEY_NAME = "arquitectura"


@dataclass(frozen=True, kw_only=True)
class DokployAccountArgs:
    """The account.

    Attributes:
        server: where Dokploy is.
        server_id: of the server; on another, Dokploy is another and gets an owner again.
        email: how the owner logs in. It counts once: the owner changes it on Dokploy's page.
        password: likewise.
    """

    server: ServerArgs
    server_id: pulumi.Input[str]
    email: str
    password: pulumi.Input[str] = field(repr=False)


class DokployAccount(Resource, name="DokployAccount"):
    """The first account, which owns everything. From then on nobody else can sign up.

    Attributes:
        api_key: for the API; secret. It stays valid when the owner changes their password.

    Raises (when it is created): somebody else has signed up before.
    """

    api_key: pulumi.Output[str]

    def __init__(
        self, name: str, args: DokployAccountArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            DokployAccountProvider(),
            name,
            {**inputs_of(args), "api_key": None},
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["api_key", "password"])
            ),
        )


class DokployAccountProvider(Provider):
    """Signs up, or in, through the API."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        moved = olds["server_id"] != news["server_id"]
        ways = ("address", "ssh_options")
        return DiffResult(changes=moved or any(olds[way] != news[way] for way in ways))

    @override
    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_=props["email"], outs={**props, "api_key": own(props)})

    @override
    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        same = olds["server_id"] == news["server_id"]
        return UpdateResult(outs={**news, "api_key": olds["api_key"] if same else own(news)})


def own(props: Properties) -> str:
    """Makes the account, unless it has been made before, and a key for the API.

    Args:
        props: those of a `DokployAccountArgs`.

    Raises:
        DokployError: the owner is somebody else, or Dokploy does not answer.
    """
    session = _log_in(props)
    made = session.post(
        "user.createApiKey",
        name=KEY_NAME,
        metadata={"organizationId": _organization(session)},
        rateLimitEnabled=False,
    )
    return str(made["key"])


def _log_in(props: Properties) -> Session:
    login = {"email": props["email"], "password": props["password"]}
    session = Session(props)
    try:
        session.post("auth/sign-up/email", name="Admin", lastName="arquitectura", **login)
    except RefusedError as refused:
        # A run that was interrupted may have made it.
        try:
            session.post("auth/sign-in/email", **login)
        except RefusedError:
            raise DokployError(
                f"{refused}. Its owner is not this stack's. If it is you, as after the loss of the "
                "stack's state, docs/troubleshooting.md says how to go on; if not, somebody was "
                "there before you: do not use it"
            ) from None
    return session


def _organization(session: Session) -> str:
    """The owner's organization, which comes a moment after the account."""
    # Not auth/get-session: there a session that signed up has no organization.
    found = session.get("user.session")
    if not found:
        raise DokployError(
            "Dokploy is still making its owner's account, which may take a minute: run `pulumi up` "
            "again. Should it say so for longer, it was killed while it did: turn it off and on "
            "again (dokploy.enabled)"
        )
    return str(found["session"]["activeOrganizationId"])
