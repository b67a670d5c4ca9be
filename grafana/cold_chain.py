"""The dashboard "Cold chain / 冷链": stores and vehicles against their bands, worst first.

What is counted comes from the days that fleet reckons every ten minutes; lines within a day come from telemetry.
"""

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models import units

from grafana.emptiness import NO_DAY, NO_PROBE, NO_PROBE_DAYS, NO_PROBE_READ, NO_PROBES
from grafana.links import to_console, to_device, to_site
from grafana.look import (
    HALF,
    HEIGHT,
    SIXTH,
    WHOLE,
    at_least,
    at_most,
    named,
    none_wanted,
    series,
    some_tolerated,
    stacked_bars,
)
from grafana.page import Section
from grafana.sources import TIMESCALE, sql, sql_series
from grafana.tables import TIME, Column, device_column, listing, site_column
from grafana.tiles import tile
from grafana.words import PROBE_PLACES, STANDINGS, YES_NO, Say

# Of those that cannot be read nobody knows.
OUTSIDE: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE standing IN ('warm', 'cold')) END AS probes
FROM grafana_coldchain_probes WHERE standing IN ('warm', 'cold', 'inside') AND @devices
"""
UNREAD: Final = """
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (WHERE standing IN ('missing', 'fault')) END AS probes
FROM grafana_coldchain_probes WHERE @devices
"""
INSIDE: Final = """
SELECT 1 - sum(outside_seconds) / nullif(sum(held_seconds), 0) AS share
FROM grafana_coldchain_days WHERE @days AND @devices
"""
EXCURSION_COUNT: Final = """
SELECT CASE WHEN EXISTS (SELECT FROM grafana_coldchain_days WHERE @days AND @devices)
            THEN count(*) END AS excursions
FROM grafana_excursions
WHERE @days AND began_at <= $__timeTo()::timestamptz AND ended_at >= $__timeFrom()::timestamptz AND @devices
"""
# A day has 0 for a door that was shut, and for a probe that knows no door.
DOORS_FORGOTTEN: Final = """
SELECT CASE WHEN sum(door_seconds) > 0
                 OR EXISTS (SELECT FROM grafana_coldchain_latest WHERE door_open IS NOT NULL AND @devices)
            THEN count(*) FILTER (WHERE door_longest_seconds > door_limit_seconds) END AS probe_days
FROM grafana_coldchain_days WHERE @days AND @devices
"""
GAP_SHARE: Final = """
SELECT sum(gap_seconds) / nullif(sum(gap_seconds + held_seconds), 0) AS share
FROM grafana_coldchain_days WHERE @days AND @devices
"""
PROBES: Final = """
SELECT device_no, site_no, site_@lang AS site, place, goods_@lang AS goods, probe, standing, temperature_c, low_c,
       high_c, at, humidity_pct, door_open::text AS door_open, battery_pct
FROM grafana_coldchain_probes
WHERE @devices
ORDER BY array_position('{warm,cold,fault,missing,inside}', standing),
         greatest(temperature_c - high_c, low_c - temperature_c) DESC NULLS LAST, device_no, probe
LIMIT 100
"""
PLACES: Final = """
SELECT site_no, site_@lang AS site, place, count(DISTINCT (device_no, probe)) AS probes,
       min(temperature_c_min) AS coldest, sum(temperature_sum) / nullif(sum(held_seconds), 0) AS mean,
       max(temperature_c_max) AS warmest, max(kinetic_c) AS kinetic,
       1 - sum(outside_seconds) / nullif(sum(held_seconds), 0) AS inside, sum(excursions) AS excursions,
       sum(door_openings) AS doors, sum(door_seconds) AS door_seconds, max(door_longest_seconds) AS door_longest,
       sum(gaps) AS gaps, sum(gap_seconds) AS gap_seconds
FROM (
    SELECT *, mean_kinetic_c(sum(kinetic_sum) OVER w, sum(held_seconds) OVER w) AS kinetic_c
    FROM grafana_coldchain_days WHERE @days AND kind = 'logger' AND @devices
    WINDOW w AS (PARTITION BY device_no, probe)
) AS days
GROUP BY 1, 2, 3 ORDER BY inside NULLS FIRST, excursions DESC, site_no, place
LIMIT 100
"""
BY_PROBE: Final = """
SELECT device_no, site_no, site_@lang AS site, place, probe, min(low_c) AS low_c, max(high_c) AS high_c,
       mean_kinetic_c(sum(kinetic_sum), sum(held_seconds)) AS kinetic, min(temperature_c_min) AS coldest,
       max(temperature_c_max) AS warmest, 1 - sum(outside_seconds) / nullif(sum(held_seconds), 0) AS inside,
       sum(excursions) AS excursions, sum(door_openings) AS doors, max(door_longest_seconds) AS door_longest,
       sum(gaps) AS gaps, sum(gap_seconds) AS gap_seconds
FROM grafana_coldchain_days WHERE @days AND @devices
GROUP BY 1, 2, 3, 4, 5 ORDER BY inside NULLS FIRST, excursions DESC, device_no, probe
LIMIT 100
"""
EXCURSIONS: Final = """
SELECT began_at, ended_at, seconds, device_no, site_no, site_@lang AS site, probe, extreme_c, low_c, high_c
FROM grafana_excursions
WHERE @days AND began_at <= $__timeTo()::timestamptz AND ended_at >= $__timeFrom()::timestamptz AND @devices
ORDER BY began_at DESC, device_no LIMIT 100
"""
# The ten that were outside longest: more lines nobody can tell apart.
TEMPERATURES: Final = """
WITH worst AS MATERIALIZED (
    SELECT device_no FROM grafana_coldchain_days WHERE @days AND kind = 'logger' AND @devices
    GROUP BY device_no ORDER BY sum(outside_seconds) DESC, device_no LIMIT 10
)
SELECT bucket_at AS time, device_no || CASE probe WHEN '' THEN '' ELSE ' ' || probe END AS metric,
       temperature_c_avg AS celsius
FROM grafana_coldchain_5m
WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND device_no IN (SELECT w.device_no FROM worst AS w)
UNION ALL
SELECT bucket_at, device_no || CASE probe WHEN '' THEN '' ELSE ' ' || probe END, temperature_c_max
FROM grafana_coldchain_days
WHERE @beyond_a_day AND @days AND device_no IN (SELECT w.device_no FROM worst AS w)
ORDER BY 1, 2
"""
DOORS_IN_TIME: Final = """
SELECT bucket_at AS time, sum(door_open_samples)::double precision / nullif(sum(samples), 0) AS open
FROM grafana_coldchain_5m WHERE @up_to_a_day AND $__timeFilter(bucket_at) AND @devices GROUP BY bucket_at
UNION ALL
SELECT bucket_at, sum(door_seconds) / nullif(sum(held_seconds), 0)
FROM grafana_coldchain_days WHERE @beyond_a_day AND @days AND @devices GROUP BY bucket_at
ORDER BY 1
"""
BY_DAY: Final = """
SELECT bucket_at AS time, sum(excursions) AS excursions, sum(gaps) AS gaps
FROM grafana_coldchain_days WHERE @days AND @devices GROUP BY bucket_at ORDER BY bucket_at
"""
COUNTS: Final = {"excursions": ("excursions", "超温事件"), "gaps": ("data gaps", "数据缺口")}
STANDING_COLOURS: Final = {"missing": "orange", "fault": "orange", "warm": "red", "cold": "blue", "inside": "green"}
INSIDE_LIMITS: Final = (0.99, 0.95)


def sections(say: Say) -> Iterator[Section]:
    """The sections, in reading order: what is out now, what was out where, and doors and gaps in time."""
    yield Section(None, (*_tiles(say), _probes(say)))
    yield Section(("In the range", "所选时段"), (_temperatures(say), _places(say), _excursions(say)))
    yield Section(("Probe by probe, and in time", "逐个探头与变化趋势"), (_by_probe(say), _doors(say), _by_day(say)))


def limits_of_ours(say: Say) -> str:
    """Where the bands come from."""
    return say(
        "Bands and their limits are data (coldchain_bands); those shipped are defaults of ours, configurable.",
        "温度带与时限为数据（coldchain_bands），出厂值为默认值，可配置。",
    )


def _days(say: Say) -> str:
    return say("Of the whole days that the range touches.", "按所选时段涉及的整日统计。")


def _tiles(say: Say) -> Iterator[stat.Panel]:
    yield tile(
        say("Outside their band", "超出温度带"),
        say(
            f"Probes in service whose newest reading is too warm or too cold. {limits_of_ours(say)}",
            f"最新读数超出上限或下限的在用探头。{limits_of_ours(say)}",
        ),
        sql(OUTSIDE, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH,
        nothing=say(*NO_PROBE_READ),
    )
    yield tile(
        say("Unread probes", "无有效读数的探头"),
        say(
            "Probes with a fault, or without a reading for two intervals: not known to be well.",
            "探头故障，或超过两个间隔无读数：不能视为正常。",
        ),
        sql(UNREAD, say),
        TIMESCALE,
        limits=some_tolerated(5),
        span=SIXTH,
        nothing=say(*NO_PROBE),
    )
    yield tile(
        say("Time inside the band", "达标时长占比"),
        say(f"Of the time that was read. {_days(say)}", f"占有读数时长的比例。{_days(say)}"),
        sql(INSIDE, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_least(*INSIDE_LIMITS),
        span=SIXTH,
        nothing=say("nothing read yet", "尚无读数"),
    )
    yield tile(
        say("Excursions", "超温事件"),
        say(
            "Outside the band for longer than tolerated, half an hour by default, until half a degree inside it again. "
            "One that crosses midnight counts twice.",
            "超出温度带且持续超过容许时长（默认 30 分钟），回到带内 0.5 °C 视为结束。跨午夜的事件计两次。",
        ),
        sql(EXCURSION_COUNT, say),
        TIMESCALE,
        limits=none_wanted(),
        span=SIXTH,
        nothing=say(*NO_DAY),
    )
    yield tile(
        say("Doors left open", "库门长时间敞开"),
        say(
            f"Days of a probe on which a door stood open beyond its limit, ten minutes by default. {_days(say)}",
            f"库门单次敞开超过时限（默认 10 分钟）的探头·日数。{_days(say)}",
        ),
        sql(DOORS_FORGOTTEN, say),
        TIMESCALE,
        limits=some_tolerated(10),
        span=SIXTH,
        nothing=say("no door told", "无门状态数据"),
    )
    yield tile(
        say("Time not read", "数据缺失占比"),
        say(
            f"Gaps of more than two intervals: missing is not the same as well. {_days(say)}",
            f"超过两个间隔的数据缺口。缺失不等于正常。{_days(say)}",
        ),
        sql(GAP_SHARE, say),
        TIMESCALE,
        unit=units.PercentUnit,
        limits=at_most(0.01, 0.05),
        span=SIXTH,
        nothing=say(*NO_DAY),
    )


def _where(say: Say) -> tuple[Column, ...]:
    return (
        Column("site_no", ("site number", "节点编号")),
        site_column(to_site(say)),
        Column("place", ("place", "位置"), words=PROBE_PLACES, width=90),
    )


def _band() -> tuple[Column, ...]:
    return (
        Column("low_c", ("from", "下限"), units.Celsius, width=80),
        Column("high_c", ("to", "上限"), units.Celsius, width=80),
    )


def _probes(say: Say) -> table.Panel:
    return listing(
        say("Probes, worst first", "探头现状（由差到好）"),
        say(
            f"The newest reading of each probe in service against its band. {limits_of_ours(say)}",
            f"每个在用探头的最新读数与其温度带。{limits_of_ours(say)}",
        ),
        sql(PROBES, say),
        (
            device_column(to_device(say), to_console(say)),
            *_where(say),
            Column("goods", ("goods", "货物")),
            Column("probe", ("probe", "探头"), width=80),
            Column("standing", ("standing", "状况"), words=STANDINGS, colours=STANDING_COLOURS),
            Column("temperature_c", ("temperature", "温度"), units.Celsius),
            *_band(),
            Column("at", ("at", "时间"), TIME),
            Column("humidity_pct", ("humidity", "湿度"), units.Percent),
            Column("door_open", ("door open", "门开启"), words=YES_NO),
            Column("battery_pct", ("battery", "电量"), units.Percent),
        ),
        say,
        height=HEIGHT + 4,
        nothing=NO_PROBES,
    )


def _temperatures(say: Say) -> timeseries.Panel:
    panel = series(
        say("Temperatures of the ten worst loggers", "最差十台记录仪的温度"),
        say(
            "Those that were outside longest. The mean of each five minutes; the warmest of each day where the range "
            "is longer than one.",
            "超出温度带最久的十台。取每 5 分钟平均值；所选范围超过一天时取每日最高值。",
        ),
        units.Celsius,
        span=WHOLE,
        starts_at_zero=False,
        nothing=say(*NO_PROBE_DAYS),
    ).datasource(TIMESCALE)
    return panel.interval("5m").with_target(sql_series(TEMPERATURES, say))


def _figures() -> tuple[Column, ...]:
    return (
        Column("kinetic", ("mean kinetic", "平均动力学温度"), units.Celsius),
        Column("coldest", ("coldest", "最低"), units.Celsius),
        Column("warmest", ("warmest", "最高"), units.Celsius),
        Column("inside", ("inside", "达标占比"), units.PercentUnit, limits=at_least(*INSIDE_LIMITS)),
        Column("excursions", ("excursions", "超温"), units.Short, limits=none_wanted()),
        Column("doors", ("door openings", "开门次数"), units.Short),
        Column("door_longest", ("longest open", "最长敞开"), units.Seconds),
        Column("gaps", ("gaps", "缺口"), units.Short, limits=some_tolerated(5)),
        Column("gap_seconds", ("not read", "缺失时长"), units.Seconds),
    )


def _kinetic(say: Say) -> str:
    return say(
        "Mean kinetic temperature: the constant temperature that ages goods as much, with 83.144 kJ/mol (USP); "
        "it supplements the band and never excuses an excursion.",
        "平均动力学温度（MKT）：使货物老化程度相同的恒定温度，活化能取 83.144 kJ/mol（USP）；"
        "仅供参考，不能抵消超温事件。",
    )


def _places(say: Say) -> table.Panel:
    return listing(
        say("Stores and vehicles, worst first", "冷库与冷藏车（由差到好）"),
        say(
            f"The loggers of a site together; the mean kinetic temperature is that of its warmest probe. "
            f"{_days(say)} {_kinetic(say)}",
            f"按节点企业汇总其记录仪；平均动力学温度取最高的探头。{_days(say)}{_kinetic(say)}",
        ),
        sql(PLACES, say),
        (
            *_where(say),
            Column("probes", ("probes", "探头数"), units.Short, width=80),
            Column("mean", ("mean", "平均"), units.Celsius),
            *_figures(),
            Column("door_seconds", ("door open", "开门时长"), units.Seconds),
        ),
        say,
        nothing=NO_PROBE_DAYS,
    )


def _excursions(say: Say) -> table.Panel:
    return listing(
        say("Excursions, newest first", "超温事件（由新到旧）"),
        say(
            f"From the first reading outside until half a degree inside again, or until nobody knows. "
            f"{limits_of_ours(say)}",
            f"自首次超出温度带起，至回到带内 0.5 °C 或数据中断止。{limits_of_ours(say)}",
        ),
        sql(EXCURSIONS, say),
        (
            Column("began_at", ("began", "开始"), TIME),
            Column("ended_at", ("until", "截至"), TIME),
            Column("seconds", ("lasted", "持续"), units.Seconds),
            device_column(to_device(say), to_console(say)),
            Column("site_no", ("site number", "节点编号")),
            site_column(to_site(say)),
            Column("probe", ("probe", "探头"), width=80),
            Column("extreme_c", ("extreme", "极值"), units.Celsius),
            *_band(),
        ),
        say,
        nothing=(
            "no excursion in what is reckoned so far; today's figures come within ten minutes",
            "已统计的数据中无超温事件；当日统计在十分钟内得出",
        ),
    )


def _by_probe(say: Say) -> table.Panel:
    return listing(
        say("Probe by probe", "逐个探头"),
        say(f"{_days(say)} {_kinetic(say)}", f"{_days(say)}{_kinetic(say)}"),
        sql(BY_PROBE, say),
        (
            device_column(to_device(say), to_console(say)),
            *_where(say),
            Column("probe", ("probe", "探头"), width=80),
            *_band(),
            *_figures(),
        ),
        say,
        height=HEIGHT + 4,
        nothing=NO_PROBE_DAYS,
    )


def _doors(say: Say) -> timeseries.Panel:
    panel = series(
        say("Doors open", "开门占比"),
        say(
            "The share of readings with the door open, every five minutes; of time, by the day, where the range is "
            "longer than one.",
            "每 5 分钟门开启的读数占比；所选范围超过一天时为每日开门时长占比。",
        ),
        units.PercentUnit,
        span=HALF,
        nothing=say(*NO_PROBE_DAYS),
    ).datasource(TIMESCALE)
    return (
        named(panel, {"open": ("door open", "门开启")}, say).interval("5m").with_target(sql_series(DOORS_IN_TIME, say))
    )


def _by_day(say: Say) -> timeseries.Panel:
    panel = series(
        say("Excursions and gaps by the day", "每日超温事件与数据缺口"),
        say("Counted for each day, today so far.", "按日统计，当日为截至目前。"),
        units.Short,
        span=HALF,
        nothing=say(*NO_PROBE_DAYS),
    ).datasource(TIMESCALE)
    return stacked_bars(named(panel, COUNTS, say)).interval("1d").with_target(sql_series(BY_DAY, say))
