"""Users, policies and service accounts, by AWS' IAM API."""

import json
import secrets
import string
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from standin.minio.server import Server, doing, unless_gone
from standin.resource import Immutable, Overwritten, Property, Resource, StandInError, json_document
from standin.values import UNKNOWN, Properties

_GONE = "NoSuchEntity"
_INLINE = "access"  # name of a service account's own policy
_DISABLE = Property(kind=bool, default=False)
_LETTERS = string.ascii_uppercase + string.digits


def _secret() -> str:
    return secrets.token_urlsafe(30)


def _status(inputs: Properties) -> str:
    return "disabled" if inputs["disableUser"] else "enabled"


def _exists(client: Server, user: str) -> bool:
    with unless_gone(_GONE):
        client.iam.get_user(UserName=user)
        return True
    return False


def _is_active(client: Server, user: str) -> bool:
    keys = client.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return any(key["Status"] == "Active" for key in keys)


def _set_key(client: Server, user: str, secret: str, inputs: Properties) -> None:
    """Gives the user its one key, whose id is the user's name, as in MinIO."""
    with unless_gone(_GONE):
        client.iam.delete_access_key(UserName=user, AccessKeyId=user)
    client.iam.create_access_key(UserName=user, AccessKeyId=user, SecretAccessKey=secret)
    if inputs["disableUser"]:
        _set_active(client, user, active=False)


def _set_active(client: Server, user: str, *, active: bool) -> None:
    client.iam.update_access_key(
        UserName=user, AccessKeyId=user, Status="Active" if active else "Inactive"
    )


def _remove(client: Server, user: str) -> None:
    with unless_gone(_GONE):
        client.iam.delete_access_key(UserName=user, AccessKeyId=user)
    with unless_gone(_GONE):
        client.iam.delete_user(UserName=user)


class IamUser(Resource[Server]):
    """A user, whose access key is its name."""

    type = "IamUser"
    autonamed = "name"
    outputs: ClassVar[Mapping[str, bool]] = {"status": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str, replace=True),
        "secret": Property(kind=str, computed=True, secret=True),
        "disableUser": _DISABLE,
        "updateSecret": Property(kind=bool, default=False),
        "forceDestroy": Property(kind=bool, default=False, allowed=(False,)),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """MinIO's least lengths."""
        name, secret = inputs["name"], inputs.get("secret", UNKNOWN)
        if name is not UNKNOWN and len(name) < 3:
            return {"name": f"{name!r} is too short: at least 3 characters"}
        if secret is not UNKNOWN and len(secret) < 8:
            return {"secret": "too short: at least 8 characters"}
        return {}

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CreateUser, CreateAccessKey."""
        name, secret = inputs["name"], inputs.get("secret") or _secret()
        with client.writing, doing(f"error creating user {name}"):
            client.iam.create_user(UserName=name)
            try:
                _set_key(client, name, secret, inputs)
            except Exception:
                _remove(client, name)
                raise
        return name, {**inputs, "secret": secret, "status": _status(inputs)}

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetUser; a secret that was changed elsewhere is not seen."""
        with doing(f"error reading user {resource_id}"):
            if not _exists(client, resource_id):
                return None
            disabled = not _is_active(client, resource_id)
        seen = {"name": resource_id, "disableUser": disabled}
        defaults = {"updateSecret": False, "forceDestroy": False}
        return {**defaults, **state, **seen, "status": _status(seen)}

    @override
    def update(
        self, client: Server, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """A new key when the secret changes, or its status."""
        secret = new.get("secret") or (_secret() if new["updateSecret"] else old["secret"])
        with client.writing, doing(f"error updating user {resource_id}"):
            if secret != old.get("secret"):
                _set_key(client, resource_id, secret, new)
            else:
                _set_active(client, resource_id, active=not new["disableUser"])
        return {**new, "secret": secret, "status": _status(new)}

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeleteAccessKey, DeleteUser."""
        with client.writing, doing(f"error deleting user {resource_id}"):
            _remove(client, resource_id)


class IamServiceAccount(Resource[Server]):
    """An access key of the provider's own user that may do only what its policy says.

    MinIO grants what both the policy and the target user allow. The server behind this stand-in
    knows no such intersection, so only the root user can be the target: it may do everything.
    """

    type = "IamServiceAccount"
    outputs: ClassVar[Mapping[str, bool]] = {"accessKey": False, "secretKey": True, "status": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "targetUser": Property(kind=str, required=True, replace=True),
        "policy": Property(kind=str, required=True, canonical=json_document),
        "disableUser": _DISABLE,
        "updateSecret": Property(kind=bool, default=False),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """A user with the policy, and a key for it."""
        if inputs["targetUser"] != client.user:
            raise StandInError(
                f"the stand-in makes service accounts only for {client.user}, the provider's user, "
                f"not for {inputs['targetUser']}"
            )
        key = "".join(secrets.choice(_LETTERS) for _ in range(20))
        secret = _secret()
        with client.writing, doing("error creating service account"):
            client.iam.create_user(UserName=key)
            try:
                client.iam.put_user_policy(
                    UserName=key, PolicyName=_INLINE, PolicyDocument=inputs["policy"]
                )
                _set_key(client, key, secret, inputs)
            except Exception:
                _remove(client, key)
                raise
        outputs = {"accessKey": key, "secretKey": secret, "status": _service_status(inputs)}
        return key, {**inputs, **outputs}

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetUser, GetUserPolicy."""
        with doing(f"error reading service account {resource_id}"):
            if not _exists(client, resource_id):
                return None
            policy: Any = None
            with unless_gone(_GONE):
                policy = _text(
                    client.iam.get_user_policy(UserName=resource_id, PolicyName=_INLINE)[
                        "PolicyDocument"
                    ],
                    state.get("policy"),
                )
            disabled = not _is_active(client, resource_id)
        seen = {"policy": policy, "disableUser": disabled, "accessKey": resource_id}
        defaults = {"targetUser": client.user, "updateSecret": False}
        return {**defaults, **state, **seen, "status": _service_status(seen)}

    @override
    def update(
        self, client: Server, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """The policy, the status, or a new secret for the same key."""
        secret = old["secretKey"]
        with client.writing, doing(f"error updating service account {resource_id}"):
            client.iam.put_user_policy(
                UserName=resource_id, PolicyName=_INLINE, PolicyDocument=new["policy"]
            )
            if new["updateSecret"]:
                secret = _secret()
                _set_key(client, resource_id, secret, new)
            else:
                _set_active(client, resource_id, active=not new["disableUser"])
        outputs = {"accessKey": resource_id, "secretKey": secret, "status": _service_status(new)}
        return {**new, **outputs}

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeleteAccessKey, DeleteUserPolicy, DeleteUser."""
        with client.writing, doing(f"error deleting service account {resource_id}"):
            with unless_gone(_GONE):
                client.iam.delete_user_policy(UserName=resource_id, PolicyName=_INLINE)
            _remove(client, resource_id)


def _service_status(inputs: Properties) -> str:
    return "off" if inputs["disableUser"] else "on"


def _text(document: Any, known: Any) -> str:
    """A policy as text: the known one when it says the same."""
    text = document if isinstance(document, str) else json.dumps(document)
    return str(known) if json_document(text) == json_document(known) else text


class IamPolicy(Overwritten[Server]):
    """A named policy."""

    type = "IamPolicy"
    autonamed = "name"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str, replace=True),
        "policy": Property(kind=str, required=True, canonical=json_document),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CreatePolicy."""
        with client.writing, doing(f"error creating policy {inputs['name']}"):
            client.iam.create_policy(PolicyName=inputs["name"], PolicyDocument=inputs["policy"])
        return inputs["name"], inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetPolicyVersion."""
        with doing(f"error reading policy {resource_id}"), unless_gone(_GONE):
            version = client.iam.get_policy_version(PolicyArn=_arn(resource_id), VersionId="v1")
            document = version["PolicyVersion"]["Document"]
            return {"name": resource_id, "policy": _text(document, state.get("policy"))}
        return None

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeletePolicy."""
        with (
            client.writing,
            doing(f"error deleting policy {resource_id}"),
            unless_gone(_GONE),
        ):
            client.iam.delete_policy(PolicyArn=_arn(resource_id))


def _arn(policy: str) -> str:
    return f"arn:aws:iam:::policy/{policy}"


class IamUserPolicyAttachment(Immutable[Server]):
    """A policy attached to a user."""

    type = "IamUserPolicyAttachment"
    properties: ClassVar[Mapping[str, Property]] = {
        "userName": Property(kind=str, required=True, replace=True),
        "policyName": Property(kind=str, required=True, replace=True),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """AttachUserPolicy."""
        user, policy = inputs["userName"], inputs["policyName"]
        with client.writing, doing(f"error attaching policy {policy} to user {user}"):
            client.iam.attach_user_policy(UserName=user, PolicyArn=_arn(policy))
        return f"{user}/{policy}", inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """ListAttachedUserPolicies."""
        user, _, policy = resource_id.partition("/")
        with doing(f"error reading the policies of user {user}"), unless_gone(_GONE):
            attached = client.iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]
            if any(item["PolicyName"] == policy for item in attached):
                return {"userName": user, "policyName": policy}
        return None

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DetachUserPolicy."""
        with (
            client.writing,
            doing(f"error detaching policy {resource_id}"),
            unless_gone(_GONE),
        ):
            client.iam.detach_user_policy(
                UserName=state["userName"], PolicyArn=_arn(state["policyName"])
            )
