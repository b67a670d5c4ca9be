"""Cells that identify: addresses of network cards, SIM cards, phones, persons and enterprises, by their check digits.

Pure. What is wrong with a personal number never repeats it.
"""

import re
import unicodedata
from datetime import date
from typing import Final

from fleet.ledger.cells import CellError, text

_MAC = re.compile(r"[0-9A-F]{12}")
_GAPS = re.compile(r"[\s:.-]+")
_IMEI = re.compile(r"[0-9]{15}")
# ITU-T E.118: 89 is telecommunications; China's are 8986 and 20 characters, some with a letter and no check digit.
_ICCID = re.compile(r"89[0-9A-F]{17,18}")
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[3-9][0-9]{9})")
# 010 and 02x are areas of three digits, all others have four; an extension comes behind a dash, 转, x or #.
_LANDLINE = re.compile(
    r"(?:(?:\+|00)?86-?0?|0)(10|2[0-9]|[3-9][0-9]{2})-?([2-9][0-9]{6,7})(?:(?:-|转|EXT|X|#)([0-9]{1,6}))?"
)
_SERVICE = re.compile(r"400[0-9]{7}|800[0-9]{7}")
_IDENTITY = re.compile(r"[1-9][0-9]{16}[0-9X]")
_CREDIT = re.compile(r"[0-9A-HJ-NP-RTUW-Y]{18}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# GB 11643: ISO 7064 MOD 11-2; position of the remainder.
_IDENTITY_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IDENTITY_CHECKS: Final = "10X98765432"
_SCIENTIFIC = re.compile(r"[0-9]+E\+[0-9]+")


def mac(cell: str) -> str:
    """A MAC address in whatever notation, as AA:BB:CC:DD:EE:FF."""
    digits = _bare(cell)
    if _MAC.fullmatch(digits) is None:
        raise CellError("is not a MAC address", "write 12 hexadecimal digits, as A4:CF:12:00:3B:07")
    if digits in ("0" * 12, "F" * 12) or int(digits[:2], 16) & 1:
        raise CellError("is no address of a single device", "copy the MAC address from the device's label")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def imei(cell: str) -> str:
    """An IMEI of 15 digits, the last of which is Luhn's."""
    digits = _unrounded(_bare(cell))
    if _IMEI.fullmatch(digits) is None:
        raise CellError("is not an IMEI", "write its 15 digits; *#06# shows them")
    if luhn(digits[:-1]) != int(digits[-1]):
        raise CellError("is not an IMEI: its last digit does not fit", "compare it with the label, digit by digit")
    return digits


def iccid(cell: str) -> str:
    """The number of a SIM card: 19 or 20 characters from 89 on."""
    digits = _unrounded(_bare(cell))
    if _ICCID.fullmatch(digits) is None:
        raise CellError("is not an ICCID", "write the 19 or 20 characters printed on the SIM card, from 89 on")
    return digits


def phone(cell: str) -> str:
    """A phone of the mainland: 13800138000, 0371-65566556, 0371-65566556-801 or 4001234567."""
    written = _unrounded(_bare(re.sub(r"[()（）]", "", cell), keep="-"))
    digits = written.replace("-", "")
    if (mobile := _MOBILE.fullmatch(digits)) is not None:
        return mobile[1]
    if _SERVICE.fullmatch(digits):
        return digits
    if (landline := _LANDLINE.fullmatch(written)) is not None:
        return f"0{landline[1]}-{landline[2]}" + (f"-{landline[3]}" if landline[3] else "")
    raise CellError("is not a phone number of the mainland", "write 11 digits, or a landline with its area: 0371-…")


def identity_no(cell: str) -> str:
    """A citizen's identity number of 18 characters (GB 11643), with a birthday that exists and the right last one."""
    written = _unrounded(_bare(cell))
    if _IDENTITY.fullmatch(written) is None:
        raise CellError("is not an identity number", "write its 18 characters: 17 digits, and a digit or X")
    try:
        date(int(written[6:10]), int(written[10:12]), int(written[12:14]))
    except ValueError:
        raise CellError("is not an identity number: no such birthday", "compare it with the card") from None
    total = sum(int(digit) * weight for digit, weight in zip(written, _IDENTITY_WEIGHTS, strict=False))
    if _IDENTITY_CHECKS[total % 11] != written[-1]:
        raise CellError("is not an identity number: its last character does not fit", "compare it with the card")
    return written


def credit_code(cell: str) -> str:
    """A unified social credit code of 18 characters (GB 32100-2015)."""
    written = _unrounded(_bare(cell))
    if _CREDIT.fullmatch(written) is None:
        raise CellError(
            "is not a unified social credit code", "write its 18 characters; the letters I, O, S, V and Z are not used"
        )
    total = sum(_CREDIT_ALPHABET.index(letter) * pow(3, place, 31) for place, letter in enumerate(written[:-1]))
    if _CREDIT_ALPHABET[-total % 31] != written[-1]:
        raise CellError(
            "is not a unified social credit code: its last character does not fit", "compare it with the licence"
        )
    return written


def sha256(cell: str) -> str:
    """A SHA-256 digest in hexadecimal."""
    digest = text(cell).strip().lower()
    if _SHA256.fullmatch(digest) is None:
        raise CellError("is not a SHA-256 digest", "write its 64 hexadecimal digits, as sha256sum prints them")
    return digest


def luhn(digits: str) -> int:
    """The check digit that makes *digits* followed by it valid (ISO/IEC 7812-1)."""
    doubled = (
        sum(divmod(int(digit) * 2, 10)) if place % 2 == 0 else int(digit)
        for place, digit in enumerate(reversed(digits))
    )
    return -sum(doubled) % 10


def _bare(cell: str, keep: str = "") -> str:
    """The cell without gaps and separators but those in *keep*, in half-width capitals."""
    written = unicodedata.normalize("NFKC", text(cell)).upper().replace("—", "-").replace("–", "-")
    return "".join(letter for letter in written if letter in keep or not _GAPS.fullmatch(letter))


def _unrounded(written: str) -> str:
    if _SCIENTIFIC.fullmatch(written):
        raise CellError(
            "is a number that the spreadsheet has rounded", "format the column as text and type the number again"
        )
    return written
