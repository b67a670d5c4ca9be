"""Making, changing and ending programmes."""

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from fleet.errors import RefusedError, UnknownEntryError
from fleet.programmes.programme import change, end, programme, programmes, require_past
from fleet.programmes.progress import figures_of, series
from tests.integration.programmes.conftest import BEGINS, DUE, Past, after, campaign

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"programme_no": "P 1"}, "letters, digits"),
        ({"region_code": "410"}, "two, four or six digits"),
        ({"kinds": ()}, "names no kind"),
        ({"kinds": ("kiosks",)}, "no kind of device is called kiosks"),
        ({"site_kinds": ("market",)}, "no kind of site is called market"),
        ({"due_on": BEGINS}, "has to be after"),
        ({"target": 0}, "its target is a number"),
        ({"begins_on": date(1, 1, 1)}, "lie between"),
    ],
)
def test_programme_is_refused_when(connection: Connection, wrong: dict[str, Any], said: str) -> None:
    """With what is wrong, and what to do."""
    with pytest.raises(RefusedError, match=said):
        campaign(connection, **wrong)
    assert programmes(connection, DUE) == []


def test_number_is_given_once(connection: Connection) -> None:
    """A second one is refused."""
    campaign(connection)
    with pytest.raises(RefusedError, match="already"):
        campaign(connection)


def test_scope_stays_once_it_began(connection: Connection) -> None:
    """Before, everything may change; after, what its figures do not go by."""
    campaign(connection)
    changed = change(connection, "P-1", {"region_code": "4102", "target": 5}, today=BEGINS - timedelta(days=1))
    assert (changed.region_code, changed.target) == ("4102", 5)
    with pytest.raises(RefusedError, match=r"region_code.* cannot change after"):
        change(connection, "P-1", {"region_code": "4101"}, today=BEGINS)
    assert change(connection, "P-1", {"due_on": after(200), "target": None}, today=after(9)).target is None
    # On any day before it was changed it stands as it was made.
    assert programme(connection, "P-1", DUE).due_on == DUE
    assert programme(connection, "P-1", date(2099, 1, 1)).due_on == after(200)


def test_ended_programme_keeps_the_figures_of_its_last_day(
    past: Past, connection: Connection, kiosk: int, market: int
) -> None:
    """Whatever goes later; and nothing about it changes any more."""
    first, second = past.device("k1", kiosk, market), past.device("k2", kiosk, market)
    campaign(connection)
    past.retire(first, after(10))
    past.retire(second, after(20))
    with pytest.raises(RefusedError, match="begins on"):
        end(connection, "P-1", today=BEGINS - timedelta(days=1))
    ended = end(connection, "P-1", today=after(15))
    [figures] = figures_of(connection, [ended], after(90))
    assert (figures.day, figures.retired) == (after(15), 1)
    assert [point.day for point in series(connection, ended, after(14), after(90))] == [after(14), after(15)]
    with pytest.raises(RefusedError, match="ended on"):
        end(connection, "P-1", today=after(16))
    with pytest.raises(RefusedError, match="ended on"):
        change(connection, "P-1", {}, today=after(16))


def test_unknown_number_and_days_to_come_are_refused(connection: Connection) -> None:
    """With where to look."""
    with pytest.raises(UnknownEntryError):
        programme(connection, "P-9", DUE)
    with pytest.raises(UnknownEntryError):
        end(connection, "P-9", today=DUE)
    for day in (DUE + timedelta(days=1), date(1, 1, 1)):
        with pytest.raises(RefusedError, match="no figures"):
            require_past(day, today=DUE)
