"""A certificate authority for tests: root, intermediate, leaves in the form that c2pa-rs accepts, a foreign root.

For a claim-signing leaf the library insists on: KeyUsage digitalSignature (critical), CA:FALSE, subject and authority
key identifiers, organisation and common name, and an accepted extended key usage.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
CLAIM_SIGNING = (ExtendedKeyUsageOID.EMAIL_PROTECTION, ObjectIdentifier("1.3.6.1.4.1.62558.2.1"))


@dataclass(frozen=True)
class Authority:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


@dataclass(frozen=True)
class Signer:
    """A leaf ready to sign: the chain is leaf and intermediate, never the root."""

    certificate: x509.Certificate
    chain_pem: str
    key_pem: str


def issue(
    common_name: str,
    organisation: str,
    *,
    issuer: Authority | None = None,
    is_ca: bool = False,
    path_length: int | None = None,
    usages: tuple[ObjectIdentifier, ...] = (),
    valid_from: dt.datetime | None = None,
    valid_to: dt.datetime | None = None,
) -> Authority:
    """Issue a P-256 certificate, self-signed without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    signing_key = issuer.key if issuer else key
    flags = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage = x509.KeyUsage(
        digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, decipher_only=False, **flags
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from or NOW - dt.timedelta(days=30))
        .not_valid_after(valid_to or NOW + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if usages:
        is_time_stamping = usages == (ExtendedKeyUsageOID.TIME_STAMPING,)
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=is_time_stamping)
    return Authority(builder.sign(signing_key, hashes.SHA256()), key)


class Pki:
    """Root, intermediate and leaves; `foreign_root` signs what nobody here trusts."""

    def __init__(self, name: str = "Witnessmark Test") -> None:
        self.root = issue(f"{name} Root", name, is_ca=True)
        self.intermediate = issue(f"{name} Intermediate", name, issuer=self.root, is_ca=True, path_length=0)
        self.foreign_root = issue("Some Other Root", "Nobody", is_ca=True)
        self.time_stamper = issue(
            "Test time stamps", name, issuer=self.intermediate, usages=(ExtendedKeyUsageOID.TIME_STAMPING,)
        )

    def leaf(
        self,
        common_name: str,
        organisation: str,
        *,
        is_foreign: bool = False,
        valid_from: dt.datetime | None = None,
        valid_to: dt.datetime | None = None,
    ) -> Signer:
        made = issue(
            common_name,
            organisation,
            issuer=self.foreign_root if is_foreign else self.intermediate,
            usages=CLAIM_SIGNING,
            valid_from=valid_from,
            valid_to=valid_to,
        )
        chain = made.pem + ("" if is_foreign else self.intermediate.pem)
        return Signer(made.certificate, chain, made.key_pem)
