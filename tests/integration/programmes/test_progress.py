"""How far a programme is, on any day, against figures that were counted by hand."""

from datetime import date, datetime, timedelta

import psycopg
import pytest

from fleet.business_day import SHANGHAI
from fleet.programmes.blockers import REASONS, WORDS
from fleet.programmes.forecast import forecast
from fleet.programmes.programme import programme
from fleet.programmes.progress import figures_of, progress, series
from fleet.programmes.standing import devices
from tests.integration.programmes.conftest import BEGINS, DUE, Past, after, at, campaign

Connection = psycopg.Connection[tuple[object, ...]]


def _numbers(connection: Connection, day: date) -> list[str]:
    return [row["device_no"] for row in devices(connection, programme(connection, "P-1", day), day)]


def test_scope_is_what_was_there_at_the_beginning_and_what_came_since(
    past: Past, connection: Connection, kiosk: int, market: int
) -> None:
    """Not what was retired before, nor drafts, other kinds and other regions; to the minute, in Shanghai's days."""
    scale = past.add("models", "model_id", model_no="SC", kind="trace_scale", vendor="v")
    past.device("there", kiosk, market)
    past.device("another-kind", scale, market)
    past.device("elsewhere", kiosk, past.site("S2", "410200"))
    gone = past.device("gone-before", kiosk, market)
    past.step(gone, "pending_disposal", "disposed", at(BEGINS - timedelta(days=1), 23, 59))
    first = past.device("gone-on-the-first-day", kiosk, market)
    past.step(first, "pending_disposal", "disposed", at(BEGINS, 0, 0))
    past.device("came", kiosk, market, after(10))
    past.device("draft", kiosk, market, state="draft")
    accepted = past.device("accepted", kiosk, market, state="draft")
    past.step(accepted, "draft", "in_stock", at(after(20)))
    campaign(connection)
    assert _numbers(connection, BEGINS) == ["gone-on-the-first-day", "there"]
    assert _numbers(connection, after(9)) == ["gone-on-the-first-day", "there"]
    assert _numbers(connection, after(10)) == ["came", "gone-on-the-first-day", "there"]
    assert _numbers(connection, after(20)) == ["accepted", "came", "gone-on-the-first-day", "there"]


def test_device_stays_in_scope_when_it_is_carried_away(
    past: Past, connection: Connection, kiosk: int, market: int
) -> None:
    """A target does not shrink by carrying devices across the border, and the sheet says where each stands."""
    other = past.site("S2", "410200")
    carried, brought = past.device("carried", kiosk, market), past.device("brought", kiosk, other)
    past.move(carried, other, after(5))
    past.move(brought, market, after(5))
    connection.execute(
        "INSERT INTO device_placements (device_id, site_id, since, until) VALUES (%s, %s, '2025-01-01', %s),"
        " (%s, %s, '2025-01-01', %s)",
        (carried, market, at(after(5)), brought, other, at(after(5))),
    )
    kiosks = campaign(connection)
    assert _numbers(connection, after(30)) == ["carried"]
    assert [devices(connection, kiosks, day)[0]["site_no"] for day in (after(4), after(5))] == ["S1", "S2"]


def test_region_of_a_site_is_that_of_the_beginning(past: Past, connection: Connection, kiosk: int) -> None:
    """Its code may change hands later; the audit knows what it was."""
    past.device("k", kiosk, past.site("S1", "410102"))
    today = datetime.now(SHANGHAI).date()
    kiosks = campaign(connection, begins_on=today - timedelta(days=3), due_on=today + timedelta(days=9))
    connection.execute("UPDATE sites SET region_code = '419999'")
    [figures] = figures_of(connection, [kiosks], today)
    assert figures.devices == 1


def test_kind_of_site_narrows_the_scope(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """And without one, every site counts."""
    past.device("market", kiosk, market)
    past.device("store", kiosk, past.site("S2", "410103", "cold_store"))
    narrow = campaign(connection, programme_no="P-2", site_kinds=("cold_store",))
    wide = campaign(connection)
    assert [figures.devices for figures in figures_of(connection, [wide, narrow], DUE)] == [2, 1]


def test_figures_of_any_day(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """Ten kiosks; two went in March, three in May, one of them lost; counted by hand."""
    ids = [past.device(f"k{number}", kiosk, market) for number in range(10)]
    for device_id, days in zip(ids, (10, 20, 70, 71), strict=False):
        past.retire(device_id, after(days))
    past.step(ids[4], "in_service", "lost", at(after(72), 23, 59))
    kiosks = campaign(connection)
    told = {days: progress(connection, kiosks, after(days)).figures for days in (0, 9, 10, 20, 71, 72)}
    assert [(days, figures.retired, figures.remaining, figures.rate) for days, figures in told.items()] == [
        (0, 0, 10, 0.0),
        (9, 0, 10, 0.0),
        (10, 1, 9, 0.1),
        (20, 2, 8, 0.2),
        (71, 4, 6, 0.4),
        (72, 5, 5, 0.5),
    ]
    ahead = told[72].forecast
    assert ahead is not None
    # Three in 28 days: 5 left take 46.7 days. The due day is 49 days ahead.
    assert (ahead.lately.per_week, ahead.lately.done_on, ahead.lately.in_time) == (0.8, after(72 + 47), True)
    # Five in 73 days: 73 more.
    assert (ahead.overall.done_on, ahead.overall.in_time) == (after(72 + 73), False)
    assert ahead.needed_per_week == pytest.approx(5 * 7 / 49, abs=0.05)


def test_target_is_a_number_or_all(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """Beyond a target the rate passes 1 and nothing remains."""
    ids = [past.device(f"k{number}", kiosk, market) for number in range(4)]
    for device_id in ids[:3]:
        past.retire(device_id, after(3))
    two = campaign(connection, programme_no="P-2", target=2)
    [figures] = figures_of(connection, [two], DUE)
    assert (figures.devices, figures.target, figures.retired, figures.remaining, figures.rate) == (4, 2, 3, 0, 1.5)


def test_each_device_is_held_up_by_its_reasons(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """One stage each, and what comes on top: counted, listed, and with a remedy in both languages."""
    day, early = after(40), after(5)
    plan = {
        "waiting_for_proposal": (("opened", early),),
        "waiting_for_appraisal": (("opened", early), ("proposed", early)),
        "waiting_for_approval": (("opened", early), ("appraised", early)),
        "waiting_for_execution": (("approved", early),),
        "waiting_for_silence": (("approved", early), ("executing", early)),
        "waiting_for_recovery": (("approved", early), ("executing", early), ("silent", early)),
        "waiting_for_wiping": (("approved", early), ("executing", early), ("recovered", early)),
        "waiting_for_disposal": (("approved", early), ("executing", early), ("wiped", early)),
        "rejected": (("proposed", early), ("rejected", early)),
        "withdrawn": (("opened", early), ("withdrawn", early)),
        "stopped": (("approved", early), ("stopped", early)),
    }
    for reason, steps in plan.items():
        past.case(past.device(reason, kiosk, market), f"C-{reason}", *steps)
    past.case(past.device("kept", kiosk, market), "C-kept", ("kept", early), kept_until=after(90))
    past.case(past.device("kept-no-more", kiosk, market), "C-over", ("kept", early), kept_until=after(39))
    past.flag(past.device("no_case", kiosk, market), early)
    held = past.device("held", kiosk, market, owner_type=None)
    past.add("device_holds", "hold_id", device_id=held, kind="evidence", reason="r", begins_at=at(early))
    late = past.device("overdue", kiosk, market)
    past.case(late, "C-late", ("opened", early), due_on=after(39))
    owners = past.device("owners", kiosk, market, owner_type="merchant")
    past.case(owners, "C-owners", ("opened", early), ("proposed", early), path="owner")
    kiosks = campaign(connection)
    counts = {blocker.reason: blocker.devices for blocker in progress(connection, kiosks, day).blockers}
    assert counts == {
        **dict.fromkeys(plan, 1),
        "not_flagged": 2,
        "no_case": 1,
        "kept": 1,
        "waiting_for_proposal": 2,
        "waiting_for_approval": 2,
        "held": 1,
        "overdue": 1,
        "no_owner": 1,
    }
    assert [row["device_no"] for row in devices(connection, kiosks, day, reason="overdue")] == ["overdue"]
    assert [row["device_no"] for row in devices(connection, kiosks, day, reason="not_flagged")] == [
        "held",
        "kept-no-more",
    ]
    assert set(WORDS) == set(REASONS)
    assert all(words.remedy_zh and words.remedy_en for words in WORDS.values())


def test_past_day_sees_the_case_as_it_was(past: Past, connection: Connection, kiosk: int, market: int) -> None:
    """By its steps, whatever became of it; and a hold or a flag within its own days."""
    device = past.device("k", kiosk, market)
    past.case(
        device, "C-1", ("opened", after(5)), ("proposed", after(8)), ("appraised", after(12)), ("approved", after(20))
    )
    past.add(
        "device_holds",
        "hold_id",
        device_id=device,
        kind="dispute",
        reason="r",
        begins_at=at(after(6)),
        ends_at=at(after(9)),
    )
    kiosks = campaign(connection)
    seen = [
        (days, progress(connection, kiosks, after(days)).cases, devices(connection, kiosks, after(days))[0])
        for days in (4, 5, 8, 9, 20)
    ]
    assert [(days, cases, row["reasons"][0], row["holds"]) for days, cases, row in seen] == [
        (4, {}, "not_flagged", []),
        (5, {"opened": 1}, "waiting_for_proposal", []),
        (8, {"proposed": 1}, "waiting_for_appraisal", ["dispute"]),
        (9, {"proposed": 1}, "waiting_for_appraisal", []),
        (20, {"approved": 1}, "waiting_for_execution", []),
    ]
    assert [row["approval_document"] for _, _, row in seen] == [None, None, None, None, "批复7号"]


def test_burn_down_by_day_and_week_agrees_with_the_figures(
    past: Past, connection: Connection, kiosk: int, market: int
) -> None:
    """Each point is what the figures of that day are, and the dashboards' view says the same."""
    ids = [past.device(f"k{number}", kiosk, market) for number in range(6)]
    past.device("came", kiosk, market, after(3))
    for device_id, days in zip(ids, (0, 2, 2, 9), strict=False):
        past.retire(device_id, after(days))
    kiosks = campaign(connection)
    points = series(connection, kiosks, BEGINS - timedelta(days=5), after(20))
    assert [point.day for point in points] == [after(days) for days in range(21)]
    for point in points:
        [figures] = figures_of(connection, [kiosks], point.day)
        assert (figures.devices, figures.retired, figures.remaining) == (point.devices, point.retired, point.remaining)
    weeks = series(connection, kiosks, BEGINS, after(20), step="week")
    assert [point.day for point in weeks] == [after(0), after(7), after(14), after(20)]
    assert points[-1].even == round(7 * (1 - 21 / 122), 1)
    shown = connection.execute(
        "SELECT day, devices, retired, remaining, even FROM grafana_programme_days WHERE day <= %s ORDER BY day",
        (after(20),),
    ).fetchall()
    assert shown == [(p.day, p.devices, p.retired, p.remaining, p.even) for p in points]


@pytest.mark.parametrize(
    ("remaining", "lately", "done_on"),
    [(0, 4, DUE), (4, 4, DUE + timedelta(days=28)), (4, 0, None)],
)
def test_forecast_when_pace_is(remaining: int, lately: int, done_on: date | None) -> None:
    """Done is done on the day itself; without a pace there is no day. On the due day no pace helps."""
    found = forecast(begins_on=BEGINS, due_on=DUE, day=DUE, remaining=remaining, retired=lately, retired_lately=lately)
    assert found is not None
    assert (found.lately.done_on, found.needed_per_week) == (done_on, None)


def test_forecast_before_the_beginning_is_none() -> None:
    """There is no pace yet."""
    day = BEGINS - timedelta(days=1)
    assert forecast(begins_on=BEGINS, due_on=DUE, day=day, remaining=3, retired=0, retired_lately=0) is None
