"""Client certificates as they are handed over."""

import base64
import hashlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import RefusedError
from fleet.identity.certificate import sha256_as_sent, sha256_of_pem

# Made for these tests; nobody has its private key, and when it expires is the broker's business.
PEM = """\
-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUBWO10TIefZDe2y4H0DJaEtIGpVMwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDRC0xMB4XDTI2MTEyNTA0NDg0M1oXDTI2MTEyNjA0NDg0M1ow
DjEMMAoGA1UEAwwDRC0xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEPKMTEYst
NmppVIxeM+vfRp3bvHSwIknzRmRscyH7RUj0ul0jIZ8IYarbfweUdoVAPaUWaa3/
YemldmbUfMwP+KNTMFEwHQYDVR0OBBYEFCtbhLbfyMwdEyvT3pmjajYveHMcMB8G
A1UdIwQYMBaAFCtbhLbfyMwdEyvT3pmjajYveHMcMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAMt4wJAsG7mdBmZoHxhU+CVkdTTbWDZWnjdA2gHR
S/luAiEAthL2/IA2JiFzyS02xIdeApnTyWEe2EnPuADRCQjtsQ0=
-----END CERTIFICATE-----
"""
DER = ssl.PEM_cert_to_DER_cert(PEM)
SHA256 = hashlib.sha256(DER).digest()


@pytest.mark.parametrize("given", [PEM, f"subject=CN = D-1\n{PEM}\n", PEM.replace("\n", "\r\n")])
def test_certificate_is_known_by_its_der_form_when_it_is_pem(given: str) -> None:
    """Whatever openssl writes before it."""
    assert sha256_of_pem(given) == SHA256


@pytest.mark.parametrize("given", [SHA256.hex(), SHA256.hex(":").upper() + "\n"])
def test_certificate_is_known_by_its_fingerprint_when_it_is_given_as_digits(given: str) -> None:
    """As `openssl x509 -fingerprint -sha256` prints it."""
    assert sha256_of_pem(given) == SHA256


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "found 0"),
        ("a" * 63, "found 0"),
        (PEM + PEM, "found 2"),
        (PEM + "-----BEGIN EC PRIVATE KEY-----\n", "belongs on the device alone"),
        (PEM.replace("MIIB", "MIIC"), "is none"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "is none"),
    ],
)
def test_certificate_is_refused_when_it_is_not_one(given: str, sentence: str) -> None:
    """The sentence says what to give instead."""
    with pytest.raises(RefusedError, match=sentence):
        sha256_of_pem(given)


@pytest.mark.parametrize(
    "sent", [PEM, base64.b64encode(DER).decode(), base64.b64encode(PEM.encode()).decode()], ids=["PEM", "DER", "packed"]
)
def test_certificate_is_known_when_a_broker_sends_it(sent: str) -> None:
    """Brokers differ in how they pack it."""
    assert sha256_as_sent(sent) == SHA256


@given(st.text() | st.binary().map(lambda some: base64.b64encode(some).decode()))
def test_what_a_broker_sends_is_read_or_nothing(sent: str) -> None:
    """Never a mistake of the server; and nothing is no certificate."""
    found = sha256_as_sent(sent)
    assert found is None or len(found) == 32
    assert sha256_as_sent("") is None
