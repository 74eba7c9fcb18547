"""`CertificateAuthority`: the stack's own, for what the public ones do not certify."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

VALIDITY_HOURS = 10 * 365 * 24
"""Ten years. A certificate is replaced with the name or address that it is for, not by date."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate and its private key, as PEM; the key is secret."""

    certificate: pulumi.Output[str]
    key: pulumi.Output[str]


class CertificateAuthority(pulumi.ComponentResource):
    """Signs the certificates of the stack's servers.

    Resources: a `tls.PrivateKey` and a `tls.SelfSignedCert`; for each certificate a
    `tls.PrivateKey`, a `tls.CertRequest` and a `tls.LocallySignedCert`.

    Attributes:
        certificate: what clients trust, as PEM.
    """

    certificate: pulumi.Output[str]

    def __init__(
        self, name: str, *, common_name: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("arquitectura:index:CertificateAuthority", name, None, opts)
        self._name = name
        self._key = _key(f"{name}-key", pulumi.ResourceOptions(parent=self)).private_key_pem
        self.certificate = tls.SelfSignedCert(
            name,
            private_key_pem=self._key,
            subject=tls.SelfSignedCertSubjectArgs(common_name=common_name),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=VALIDITY_HOURS,
            opts=pulumi.ResourceOptions(parent=self),
        ).cert_pem
        self.register_outputs({"certificate": self.certificate})

    def issue(
        self,
        name: str,
        *,
        names: Sequence[pulumi.Input[str]] = (),
        addresses: Sequence[pulumi.Input[str]] = (),
        parent: pulumi.Resource,
    ) -> Certificate:
        """A certificate of a server, for its DNS names and IP addresses."""
        child = pulumi.ResourceOptions(parent=parent)
        key = _key(f"{name}-key", child)
        request = tls.CertRequest(
            f"{name}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=name),
            dns_names=names,
            ip_addresses=addresses,
            opts=child,
        )
        signed = tls.LocallySignedCert(
            f"{name}-certificate",
            ca_cert_pem=self.certificate,
            ca_private_key_pem=self._key,
            cert_request_pem=request.cert_request_pem,
            allowed_uses=["digital_signature", "server_auth"],
            validity_period_hours=VALIDITY_HOURS,
            opts=child,
        )
        return Certificate(certificate=signed.cert_pem, key=key.private_key_pem)


def _key(name: str, opts: pulumi.ResourceOptions) -> tls.PrivateKey:
    return tls.PrivateKey(name, algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
