"""A year of 2,000 devices: what is planted in their lives is found, and nothing else. Time is an argument."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import psycopg
import pytest

from tests.conftest import fresh_database
from tests.year.judging import Tally, findings, flags, judge_findings, judge_flags, looks_at_silence, overdue, unplanted
from tests.year.living import HEALTH_ALSO, Year
from tests.year.world import DECLARED_CUT, PLATFORM_OUTAGE, POWER_CUT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

SEED: Final = 20180827
# Days on end without its cause that clear a finding, and the days until the rules run next.
CLEARED_WITHIN: Final = 3 + 6
SHARE_PCT: Final = 20
# Three slots, in which one that is heard at all is heard.
SLACK: Final = timedelta(minutes=15)

# The number that people are told.
SHOWN_BY: Final = {
    "dormant": "open_days",
    "unavailable": "availability_pct",
    "error_rate": "error_pct",
}
SCORES: Final = (
    "SELECT d.device_no, h.day, h.score FROM health_days AS h JOIN devices AS d USING (device_id) ORDER BY h.day"
)
OUTAGES: Final = """
SELECT o.scope, s.site_no, o.began_at, o.ended_at FROM outages AS o LEFT JOIN sites AS s USING (site_id)
WHERE o.dismissed_at IS NULL ORDER BY o.began_at
"""


@pytest.fixture(scope="module")
def year(server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """The year, lived through once for all that is asked of it."""
    for url in fresh_database(server_url, template=template_database):
        with psycopg.connect(url, autocommit=True) as connection:
            lived = Year(connection, SEED, tmp_path_factory.mktemp("year") / "key")
            lived.live()
            yield lived


def _is_right(tally: Tally) -> bool:
    return all(min(tally.precision(rule), tally.recall(rule)) >= 0.98 for rule in (None, *tally.hits, *tally.missed))


def test_findings_are_the_planted_reasons_over_a_year(year: Year) -> None:
    """Every reason is found of the devices it is planted in, in its time, and of no others: by rule, and in total."""
    tally = judge_findings(year.fleet, findings(year.connection))
    assert _is_right(tally), f"\n{year.timing()}\n{tally}"


def test_flags_are_the_planted_devices_over_a_year(year: Year) -> None:
    """Whoever ought to go is flagged, in time and for the planted reason; whoever works, however old, is not."""
    tally = judge_flags(year.fleet, flags(year.connection), findings(year.connection))
    assert _is_right(tally), f"\n{year.timing()}\n{tally}"


def test_nothing_is_held_against_anybody_when_a_market_is_closed_or_nobody_can_be_heard(year: Year) -> None:
    """Of what nobody planted, nothing looks at days of a closure, a power cut or an outage of ours."""
    devices = {device.device_no: device for device in year.fleet}
    wrong = unplanted(year.fleet, findings(year.connection))
    assert [of for of in wrong if looks_at_silence(devices[of.device_no], of)] == []


def test_outages_are_found_where_they_were_and_nowhere_else(year: Year) -> None:
    """One of the platform, two of a site: nights, closures, days off and the failed compressor are none."""
    found = year.connection.execute(OUTAGES).fetchall()
    planted = [("platform", None, PLATFORM_OUTAGE), ("site", "W8", POWER_CUT), ("site", "W6", DECLARED_CUT)]
    assert {(scope, site_no) for scope, site_no, *_ in found} == {(scope, site_no) for scope, site_no, _ in planted}
    for scope, site_no, span in planted:
        spans = [(began_at, ended_at) for *whom, began_at, ended_at in found if whom == [scope, site_no]]
        assert abs(min(began_at for began_at, _ in spans) - span.begins) <= SLACK, (site_no, spans)
        assert abs(max(ended_at for _, ended_at in spans) - span.ends) <= SLACK, (site_no, spans)


def test_findings_clear_themselves_when_their_cause_is_gone(year: Year) -> None:
    """After a repair, new firmware, use: within days, and never while the cause is there; their flags end with them."""
    assert list(overdue(year.fleet, findings(year.connection), days=CLEARED_WITHIN)) == []
    mended = {"dormant, used again", "bad line, mended"}
    ended = defaultdict(set)
    for flag in flags(year.connection):
        ended[flag.device_no].add(flag.ended_because)
    assert {device.device_no: ended[device.device_no] for device in year.fleet if device.cohort in mended} == {
        device.device_no: {"cleared"} for device in year.fleet if device.cohort in mended
    }


def test_no_run_flags_more_than_a_share_of_a_site(year: Year) -> None:
    """A fifth of the devices of a site a day, and one where a fifth is none."""
    site_of = {device.device_no: device.site.site_no for device in year.fleet}
    devices = Counter(site_of.values())
    flagged = Counter((site_of[flag.device_no], flag.flagged_on) for flag in flags(year.connection))
    assert {key: count for key, count in flagged.items() if count > max(1, devices[key[0]] * SHARE_PCT // 100)} == {}
    assert len({day for site_no, day in flagged if site_no == "K1"}) >= 3


def test_every_flag_says_why_in_both_languages(year: Year) -> None:
    """One sentence each, and each finding of it with the number that shows it."""
    found = {finding.finding_id: finding for finding in findings(year.connection)}
    for flag in flags(year.connection):
        assert flag.sentence_zh.endswith("。"), flag
        assert flag.sentence_en.endswith("."), flag
        for finding_id in flag.findings:
            finding = found[finding_id]
            assert finding.sentence_zh.rstrip("。") in flag.sentence_zh
            assert finding.sentence_en[1:].rstrip(".") in flag.sentence_en
            number = finding.numbers.get(SHOWN_BY.get(finding.rule, ""), "")
            assert str(number) in finding.sentence_zh, finding
            assert str(number) in finding.sentence_en, finding


def test_health_tells_the_dying_from_the_sound_over_a_year(year: Year) -> None:
    """The scores of dying loggers fall and stay down; those of ordinary devices never fall below good."""
    scores = defaultdict(list)
    for device_no, day, score in year.connection.execute(SCORES):
        scores[device_no].append((day, score))
    dying = [device for device in year.fleet if device.cohort == "dying logger"]
    for device in dying:
        (begins, _), *_, (dead, _) = device.changes
        before = [score for day, score in scores[device.device_no] if day < begins]
        # While we hear nobody, nobody's silence counts.
        after = [score for day, score in scores[device.device_no] if day >= dead and day != HEALTH_ALSO]
        assert min(before) >= 80, (device.device_no, before)
        assert max(after) < 60, (device.device_no, after)
    poor = [
        (device.device_no, device.site.site_no, day, score)
        for device in year.fleet
        if device.cohort == "ordinary"
        for day, score in scores[device.device_no]
        if score is not None and score < 80
    ]
    assert poor[:20] == [], len(poor)
