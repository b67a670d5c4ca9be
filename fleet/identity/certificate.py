"""Client certificates as people and brokers hand them over, and the SHA-256 that they are known by. Pure."""

import base64
import binascii
import hashlib
import re
import ssl
from typing import Final

from fleet.errors import RefusedError

BEGINS: Final = "-----BEGIN CERTIFICATE-----"
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


def sha256_of_pem(text: str) -> bytes:
    """The SHA-256 of the one certificate in a PEM *text*, or of its 64 hexadecimal digits.

    Raises RefusedError when it is none, several, or comes with the private key that only the device may have.
    """
    digits = text.strip().replace(":", "")
    if _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    if "PRIVATE KEY" in text:
        raise RefusedError("There is a private key in it, which belongs on the device alone. Give the certificate.")
    blocks = _BLOCK.findall(text)
    if len(blocks) != 1:
        raise RefusedError(
            f"Expected the device's own certificate in PEM form, without its chain; found {len(blocks)}."
        )
    try:
        der = ssl.PEM_cert_to_DER_cert(blocks[0])
        # What merely looks like one would be let in nowhere, and nobody would know why.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=der)
    except (ValueError, ssl.SSLError) as error:
        raise RefusedError("It has the form of a certificate, and is none. Export it again.") from error
    return hashlib.sha256(der).digest()


def sha256_as_sent(text: str) -> bytes | None:
    """The same of what a broker sends, which has verified it: PEM, or base64 of PEM or of DER; None when unreadable."""
    try:
        if BEGINS not in text:
            packed = base64.b64decode(text, validate=True)
            if not packed.startswith(BEGINS.encode()):
                return hashlib.sha256(packed).digest() if packed else None
            text = packed.decode("ascii")
        block = _BLOCK.search(text)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(block[0])).digest() if block else None
    except (binascii.Error, ValueError):
        return None
