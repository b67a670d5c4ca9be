"""Opening hours as people write them."""

import pytest

from fleet.ledger.cells import CellError
from fleet.ledger.hours import opening_hours

TYPICAL = "1-5 06:00-18:00; 6,7 05:00-19:00"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (TYPICAL, TYPICAL),
        ("Mo-Fr 6:00-18:00; Sa,Su 05:00-19:00", TYPICAL),
        ("周一至周五 06:00-18:00；周六、周日 05:00－19:00", TYPICAL),
        ("周六、日 5：00—19：00；周一到五 6：00—18：00", TYPICAL),
        ("工作日 06:00-18:00；周末 05:00-19:00", TYPICAL),
        ("每天 06:00-18:00", "1-7 06:00-18:00"),
        ("06:00-18:00", "1-7 06:00-18:00"),
        ("daily 00:00-24:00", "1-7 00:00-24:00"),
        ("每天 20:00-04:00", "1-7 20:00-04:00"),
        ("1-7 06:00-12:00,14:00-18:00", "1-7 06:00-12:00; 1-7 14:00-18:00"),
        ("6-1 06:00-07:00", "1,6,7 06:00-07:00"),
        ("周一、周三 06:00-07:00", "1,3 06:00-07:00"),
        ("1 06:00-07:00; 2 06:00-07:00; 3 06:00-07:00", "1-3 06:00-07:00"),
    ],
)
def test_hours_are_read_in_many_forms_and_kept_in_one(cell: str, expected: str) -> None:
    """Which is read as itself."""
    assert opening_hours(cell) == expected
    assert opening_hours(expected) == expected


@pytest.mark.parametrize(
    "cell",
    [
        "open",
        "早上",
        "1-5",
        "8 06:00-18:00",
        "1-5 06:00",
        "1-5 25:00-26:00",
        "1-5 06:60-18:00",
        "1-5 06:00-06:00",
        "1-5 24:00-06:00",
        "1-5 06:00-18:00; 5 17:00-19:00",
        "7 20:00-04:00; 1 03:00-05:00",
        "1- 06:00-18:00",
        ";",
    ],
)
def test_hours_are_refused_when_they_are_none_or_overlap(cell: str) -> None:
    """Over the end of the week as well."""
    with pytest.raises(CellError) as caught:
        opening_hours(cell)
    assert caught.value.remedy
