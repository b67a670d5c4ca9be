"""The life of findings and flags over runs of the rules."""

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from fleet.business_day import SHANGHAI
from fleet.errors import RefusedError
from fleet.obsolescence.evaluating import rehearse
from fleet.obsolescence.standing import standing
from tests.integration.obsolescence.conftest import DAY, Fleet, after

NEXT = timedelta(days=1)


def test_scale_that_nobody_uses_is_flagged(fleet: Fleet) -> None:
    """With its finding and a sentence in both languages; its neighbour that sells is not. Once is enough."""
    asleep, busy = fleet.device("D-1"), fleet.device("D-2")
    fleet.days(asleep, trades=0)
    fleet.days(busy)
    assert rehearse(fleet.connection, day=DAY, now=after(DAY)).flagged == 1
    told = fleet.run()
    assert (told.devices, told.opened, told.flagged) == (2, 1, 1)
    assert fleet.open_rules(asleep) == {"dormant"}
    assert fleet.verdict(asleep) == ("flagged", 60, None)
    assert fleet.verdict(busy) is None
    flag = fleet.flag(asleep)
    assert flag is not None
    assert flag["sentence_zh"].startswith("建议淘汰该追溯秤：最近60天中有60天开门营业")
    assert "not one sale" in flag["sentence_en"]
    again = fleet.run()
    assert (again.opened, again.gone, again.cleared, again.flagged) == (0, 0, 0, 0)
    [finding] = fleet.findings(asleep)
    assert (finding["window_from"], finding["window_to"]) == (DAY - timedelta(days=59), DAY)
    assert [day["trades"] for day in finding["sample"]] == [0] * 5
    [noted] = fleet.rows("SELECT devices, opened, flagged FROM evaluations")
    assert noted == {"devices": 2, "opened": 1, "flagged": 1}
    kinds = [row["kind"] for row in fleet.rows("SELECT kind FROM events ORDER BY event_id")]
    assert kinds == ["finding.opened", "device.flagged"]


def test_finding_clears_when_its_cause_stays_gone(fleet: Fleet) -> None:
    """Gone, back again, gone for three days on end; then the flag ends."""
    silent = fleet.device("L-1", "logger")
    fleet.days(silent, online_slots=90)
    fleet.run()
    assert fleet.flag(silent) is not None
    day = DAY
    for online_slots, gone in ((120, True), (90, False), (120, True), (120, True)):
        day += NEXT
        fleet.days(silent, ends=day, days=30, online_slots=online_slots)
        fleet.run(day)
        [finding] = fleet.findings(silent)
        assert ((finding["gone_since"] is not None), finding["cleared_at"]) == (gone, None)
        assert fleet.verdict(silent) == ("flagged", 0 if gone else 60, None)
    day += NEXT
    fleet.days(silent, ends=day, days=1, online_slots=120)
    told = fleet.run(day)
    assert (told.cleared, told.ended) == (1, 1)
    [finding] = fleet.findings(silent)
    assert (finding["gone_since"], finding["cleared_at"]) == (day - 2 * NEXT, after(day))
    flag = fleet.flag(silent)
    assert flag is not None
    assert flag["ended_because"] == "cleared"
    assert fleet.verdict(silent) is None
    assert fleet.rows("SELECT subject FROM events WHERE kind = 'flag.ended'") == [{"subject": "L-1"}]


def test_age_alone_flags_nobody(fleet: Fleet) -> None:
    """Not even without its vendor's support: it is watched, for it works. Asleep besides, it goes."""
    fleet.connection.execute("UPDATE models SET service_life_months = 60, support_ends_on = '2024-01-01'")
    old = fleet.device("D-1", commissioned_on=date(2015, 1, 1))
    fleet.days(old)
    fleet.run()
    assert fleet.verdict(old) == ("watch", 50, None)
    fleet.days(old, ends=DAY + NEXT, days=61, trades=0)
    fleet.run(DAY + NEXT)
    assert fleet.verdict(old) == ("flagged", 110, None)


def test_closed_market_and_unheard_platform_flag_nobody(fleet: Fleet) -> None:
    """A month's closure leaves too few open days; what nobody expected is no absence."""
    scale, logger = fleet.device("D-1"), fleet.device("L-1", "logger")
    fleet.days([scale, logger], trades=0, records=0)
    fleet.days([scale, logger], days=30, expected_slots=0, online_slots=0, trades=0, records=0)
    fleet.run()
    assert fleet.rows("SELECT 1 FROM findings") == []


def test_warm_store_is_no_fault_of_its_logger(fleet: Fleet) -> None:
    """A compressor fails: high temperatures, that move. A probe that sticks or fails is another matter."""
    warm, stuck, failing = (fleet.device(f"L-{n}", "logger") for n in (1, 2, 3))
    cold: dict[str, Any] = {"trades": 0, "readings": 288, "temperature_c_min": 1.0, "temperature_c_max": 4.0}
    fleet.days([warm, stuck, failing], **cold)
    fleet.days(warm, days=5, **(cold | {"temperature_c_min": 14.0, "temperature_c_max": 22.5}))
    fleet.days(stuck, days=7, **(cold | {"temperature_c_min": 4.0}))
    fleet.days(failing, days=14, **(cold | {"readings": 200, "sensor_faults": 88}))
    fleet.run()
    assert fleet.open_rules(warm) == set()
    assert fleet.open_rules(stuck) == {"dying"}
    assert fleet.open_rules(failing) == {"dying", "error_rate"}


def test_share_of_a_site_is_not_exceeded_in_a_run(fleet: Fleet) -> None:
    """A fifth of ten a day, the same day asked again included; the others wait."""
    asleep = [fleet.device(f"D-{n}") for n in range(5)]
    busy = [fleet.device(f"B-{n}") for n in range(5)]
    fleet.days(asleep, trades=0)
    fleet.days(busy)
    assert (fleet.run().flagged, fleet.run().flagged) == (2, 0)
    assert fleet.verdict(asleep[4]) == ("watch", 60, "site_share")
    for day, flagged in ((DAY + NEXT, 2), (DAY + 2 * NEXT, 1)):
        fleet.days(asleep, ends=day, days=1, trades=0)
        assert fleet.run(day).flagged == flagged


def test_outage_holds_flags_back(fleet: Fleet) -> None:
    """Of the site, then of everybody; one that was dismissed does not."""
    here, there = fleet.device("D-1"), fleet.device("D-2", "trace_scale", "S2")
    fleet.days([here, there], trades=0)
    began = after(DAY - NEXT)
    fleet.connection.execute(
        "INSERT INTO outages (scope, site_id, began_at, ended_at, source, reason)"
        " SELECT 'site', site_id, %s, %s, 'detected', 'power' FROM sites WHERE site_no = 'S1'",
        (began, began + timedelta(hours=1)),
    )
    fleet.run()
    assert fleet.verdict(here) == ("watch", 60, "outage")
    assert fleet.verdict(there) == ("flagged", 60, None)
    day = DAY + NEXT
    fleet.days([here, there], ends=day, days=1, trades=0)
    fleet.connection.execute(
        "INSERT INTO outages (scope, began_at, source, reason) VALUES ('platform', %s, 'declared', 'move')",
        (after(DAY),),
    )
    assert fleet.run(day).held_back == 1
    fleet.connection.execute("UPDATE outages SET dismissed_at = now()")
    assert fleet.run(day).flagged == 1


def test_kept_device_is_not_flagged_until_its_day(fleet: Fleet) -> None:
    """A flag that it had ends; after the day it is flagged again."""
    asleep = fleet.device("D-1")
    fleet.days(asleep, trades=0)
    fleet.run()
    fleet.connection.execute(
        "INSERT INTO cases (case_no, device_id, path, state, state_since, grounds, kept_until, opened_by)"
        " VALUES ('C-1', %s, 'state', 'kept', now(), '[]', %s, 'li')",
        (asleep, DAY + NEXT),
    )
    fleet.days(asleep, ends=DAY + 2 * NEXT, days=2, trades=0)
    assert fleet.run(DAY + NEXT).ended == 1
    assert fleet.verdict(asleep) == ("watch", 60, "kept")
    flag = fleet.flag(asleep)
    assert flag is not None
    assert flag["ended_because"] == "kept"
    assert fleet.run(DAY + 2 * NEXT).flagged == 1


def test_flag_ends_with_the_device(fleet: Fleet) -> None:
    """One that waits for its disposal keeps it; one that is disposed of has none."""
    asleep = fleet.device("D-1")
    fleet.days(asleep, trades=0)
    fleet.run()
    fleet.connection.execute("UPDATE devices SET state = 'pending_disposal'")
    fleet.run(DAY + NEXT)
    assert fleet.verdict(asleep) == ("flagged", 60, None)
    fleet.connection.execute("UPDATE devices SET state = 'disposed'")
    fleet.run(DAY + 2 * NEXT)
    flag = fleet.flag(asleep)
    assert flag is not None
    assert flag["ended_because"] == "retired"
    assert fleet.open_rules(asleep) == set()
    assert fleet.verdict(asleep) is None


def test_evidence_is_frozen(fleet: Fleet) -> None:
    """Whoever writes: numbers, sentences and scores stay; that a cause went away may be told."""
    asleep = fleet.device("D-1")
    fleet.days(asleep, trades=0)
    fleet.run()
    for change in (
        "UPDATE findings SET numbers = '{}'",
        "UPDATE findings SET sentence_zh = ''",
        "UPDATE flags SET score = 1",
        "UPDATE obsolescence_rules SET weight = 1",
        "DELETE FROM obsolescence_rules",
        "DELETE FROM findings",
        "DELETE FROM flags",
        "DELETE FROM devices",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            fleet.connection.execute(change.encode())
    fleet.connection.execute("UPDATE findings SET gone_since = %s", (DAY,))


def test_query_of_each_finding_shows_its_numbers(fleet: Fleet) -> None:
    """Run as it stands, it answers what was found."""
    connection = fleet.connection
    connection.execute(
        "UPDATE models SET service_life_months = 60, support_ends_on = '2024-01-01', withdrawn_on = '2025-01-01',"
        " min_firmware = '2.0'"
    )
    scale = fleet.device("D-1", commissioned_on=date(2015, 1, 31), verified_until=date(2025, 1, 1))
    kiosk, logger = fleet.device("K-1", "kiosk"), fleet.device("L-1", "logger", original_value_fen=100)
    fleet.days(scale, trades=0, online_slots=50, dead_lettered=9, firmware="1.9")
    fleet.days(kiosk, trades=0, lookups=3)
    fleet.days(logger, trades=0, readings=200, sensor_faults=88, temperature_c_min=1, temperature_c_max=1)
    connection.execute(
        "INSERT INTO site_lookups (site_id, day, channel, lookups)"
        " SELECT site_id, day, 'qr', 40 FROM sites, generate_series(%s::date, %s::date, '1 day') AS day",
        (DAY - timedelta(days=70), DAY),
    )
    connection.execute(
        "INSERT INTO device_transitions (device_id, from_state, to_state, at, actor, cost_fen)"
        " VALUES (%s, 'faulty', 'repairing', %s, 'li', 60)",
        (logger, after(DAY - 9 * NEXT).astimezone(SHANGHAI)),
    )
    fleet.run()
    found = [of for device_id in (scale, kiosk, logger) for of in fleet.findings(device_id)]
    assert {of["rule"] for of in found} == {row["rule"] for row in fleet.rows("SELECT rule FROM obsolescence_rules")}
    for of in found:
        [shown] = fleet.rows(of["query"].replace("%", "%%"))
        numbers = {name: value for name, value in of["numbers"].items() if name != "thresholds"}
        told = {name: value.isoformat() if isinstance(value, date) else value for name, value in shown.items()}
        assert _same(told, numbers), of["rule"]
        assert of["sample"], of["rule"]


def _same(told: dict[str, object], numbers: dict[str, object]) -> bool:
    """Whether they say the same; a share is rounded by either side in its own way."""
    return told.keys() == numbers.keys() and all(
        abs(float(told[name]) - value) < 0.11 if isinstance(value, float) else told[name] == value  # type: ignore[arg-type]
        for name, value in numbers.items()
    )


def test_what_stands_now_is_told_without_a_run(fleet: Fleet) -> None:
    """A device that was used again has no ground; one out of service has what was found before."""
    woken, stored = fleet.device("D-1"), fleet.device("D-2")
    fleet.days([woken, stored], trades=0)
    fleet.run()
    fleet.days(woken, ends=DAY + NEXT, days=1)
    fleet.connection.execute("UPDATE devices SET state = 'idle' WHERE device_id = %s", (stored,))
    told = standing(fleet.connection, [woken, stored], day=DAY + NEXT)
    assert told[woken] == []
    [ground] = told[stored]
    assert (ground.rule, ground.weight, ground.numbers["open_days"]) == ("dormant", 60, 60)
    assert fleet.open_rules(woken) == {"dormant"}


def test_day_before_one_that_was_judged_is_refused(fleet: Fleet) -> None:
    """The past is what-if's."""
    fleet.run()
    with pytest.raises(RefusedError, match="what-if"):
        fleet.run(DAY - NEXT)


def test_device_is_judged_as_it_was_on_the_day(fleet: Fleet) -> None:
    """State and site of then, though it was disposed of and had moved since."""
    asleep = fleet.device("D-1", installed_on=date(2020, 1, 1))
    fleet.days(asleep, trades=0)
    fleet.connection.execute("UPDATE devices SET site_id = (SELECT site_id FROM sites WHERE site_no = 'S2')")
    fleet.connection.execute("UPDATE devices SET state = 'lost'")
    fleet.connection.execute(
        "INSERT INTO device_transitions (device_id, from_state, to_state, at, actor)"
        " VALUES (%s, 'in_service', 'lost', %s, 'li')",
        (asleep, after(DAY)),
    )
    [ground] = standing(fleet.connection, [asleep], day=DAY)[asleep]
    assert ground.rule == "dormant"
    told = rehearse(fleet.connection, day=DAY, now=after(DAY))
    assert (told.devices, told.by_rule) == (1, {"dormant": 1})
    assert rehearse(fleet.connection, day=DAY + NEXT, now=after(DAY + NEXT)).devices == 0


def test_many_findings_are_told_as_one_event(fleet: Fleet) -> None:
    """Nobody reads a thousand lines."""
    for n in range(51):
        fleet.device(f"K-{n}", "kiosk")
    fleet.run()
    [event] = fleet.rows("SELECT subject, data FROM events WHERE kind = 'finding.opened'")
    assert (event["subject"], event["data"]["count"]) == ("fleet", 51)


@pytest.mark.parametrize("ever", ["infinity", "-infinity"])
def test_days_for_ever_accuse_nobody(fleet: Fleet, ever: str) -> None:
    """They are days that nobody knows; the others are judged."""
    days = ("acquired_on", "accepted_on", "commissioned_on", "verified_until")
    device_id = fleet.device("D-1", "trace_scale", "S1", **dict.fromkeys(days, ever), min_service_months=12)
    fleet.connection.execute("UPDATE models SET support_ends_on = %s, withdrawn_on = %s", (ever, ever))
    fleet.device("K-1", "kiosk", "S2")
    assert fleet.run().flagged == 1
    assert fleet.open_rules(device_id) == set()
