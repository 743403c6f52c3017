"""An authority, and certificates that it signs. Each test makes its own, and they last a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOSTS = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]


class Server(NamedTuple):
    """The files of a server: its certificate, its key, and both in one."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """An authority. Clients trust what it signed by the file `certificate`."""

    def __init__(self, folder: Path, name: str = "an authority of tests") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = subject_of(name)
        signed = builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate = folder / f"{name.replace(' ', '-')}.crt"
        self.certificate.write_bytes(
            signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )

    def server(self) -> Server:
        """Return the files of a server on this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = builder(subject_of("server"), self._name, key.public_key()).add_extension(
            x509.SubjectAlternativeName(HOSTS), critical=False
        )
        files = Server(*(self._folder / f"server.{kind}" for kind in ("crt", "key", "pem")))
        files.certificate.write_bytes(
            signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        pkcs8 = PrivateFormat.PKCS8
        files.key.write_bytes(key.private_bytes(Encoding.PEM, pkcs8, NoEncryption()))
        files.both.write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
        return files


def subject_of(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Return a certificate that is still to be signed."""
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(days=1),
    )
