"""Numbers with check digits, and phones as people write them."""

from collections.abc import Callable

import pytest

from fleet.ledger import identities
from fleet.ledger.cells import CellError

Reader = Callable[[str], str]


@pytest.mark.parametrize(
    ("read", "cell", "expected"),
    [
        (identities.mac, "a4-cf-12-00-3b-07", "A4:CF:12:00:3B:07"),
        (identities.mac, "A4CF.1200.3B07", "A4:CF:12:00:3B:07"),
        (identities.mac, "Ａ４:CF:12:00:3B:07", "A4:CF:12:00:3B:07"),
        (identities.imei, "49 015420 323751 8", "490154203237518"),
        (identities.iccid, "8986 0012 3456 7890 1234", "89860012345678901234"),
        (identities.iccid, "898600D6B61400A1B2C", "898600D6B61400A1B2C"),
        (identities.phone, "138 0013 8000", "13800138000"),
        (identities.phone, "+86-138-0013-8000", "13800138000"),
        (identities.phone, "008613800138000", "13800138000"),
        (identities.phone, "（0371）6556 6556", "0371-65566556"),
        (identities.phone, "037165566556转801", "0371-65566556-801"),
        (identities.phone, "0371-65566556-801", "0371-65566556-801"),
        (identities.phone, "+86 371 65566556", "0371-65566556"),
        (identities.phone, "010-62345678", "010-62345678"),
        (identities.phone, "400-123-4567", "4001234567"),
        (identities.identity_no, "11010519491231002x", "11010519491231002X"),
        (identities.credit_code, "91330100799655058B", "91330100799655058B"),
        (identities.credit_code, "91440300708461136t", "91440300708461136T"),
        (identities.sha256, "AB" * 32, "ab" * 32),
    ],
)
def test_number_is_taken_in_every_notation(read: Reader, cell: str, expected: str) -> None:
    """And kept in one."""
    assert read(cell) == expected


@pytest.mark.parametrize(
    ("read", "cell"),
    [
        (identities.mac, "A4:CF:12:00:3C"),
        (identities.mac, "FF:FF:FF:FF:FF:FF"),
        (identities.mac, "00:00:00:00:00:00"),
        (identities.mac, "01:00:5E:00:00:01"),
        (identities.imei, "490154203237519"),
        (identities.imei, "49015420323751"),
        (identities.imei, "4.90154E+14"),
        (identities.iccid, "12345678901234567890"),
        (identities.iccid, "8986001234567890"),
        (identities.phone, "12800138000"),
        (identities.phone, "1380013800"),
        (identities.phone, "65566556"),
        (identities.phone, "0371-15566556"),
        (identities.phone, "1.38001E+10"),
        (identities.identity_no, "110105194912310021"),
        (identities.identity_no, "11010519490231002X"),
        (identities.identity_no, "1.10105E+17"),
        (identities.identity_no, "110105491231002"),
        (identities.credit_code, "91330100799655058C"),
        (identities.credit_code, "9133010079965505I8"),
        (identities.credit_code, "91330100799655058"),
        (identities.sha256, "ab" * 31),
    ],
)
def test_number_is_refused_without_being_repeated(read: Reader, cell: str) -> None:
    """Wrong length, wrong check digit, no such birthday, rounded by the spreadsheet."""
    with pytest.raises(CellError) as caught:
        read(cell)
    assert cell not in caught.value.problem + caught.value.remedy
    assert caught.value.remedy


def test_luhn_of_a_known_number() -> None:
    """7992739871 has the check digit 3."""
    assert identities.luhn("7992739871") == 3
