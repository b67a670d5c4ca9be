"""Alerts that only the ledger can tell. Grafana asks the database for them. Limits are defaults of ours 默认值, 可配置.

A row is an alert, so labels are of few values: a site, a region, a state, and never a device.
"""

from typing import Final

from grafana.alert import Alert, Sql, Texts

# As the dashboards judge: by the band of each probe, in `coldchain_bands`.
EXCURSION: Final = """
SELECT site_no, site_zh AS site, count(*)::float8 AS probes
FROM grafana_coldchain_probes WHERE standing IN ('warm', 'cold') GROUP BY site_no, site_zh
"""
GAP: Final = """
SELECT site_no, site_zh AS site, count(*)::float8 AS probes
FROM grafana_coldchain_probes WHERE standing IN ('missing', 'fault') GROUP BY site_no, site_zh
"""
UNVERIFIED: Final = """
SELECT region_code, metrology, count(*)::float8 AS devices FROM grafana_unverified GROUP BY region_code, metrology
"""
OVERDUE: Final = "SELECT state, count(*)::float8 AS cases FROM grafana_cases WHERE is_overdue GROUP BY state"
SPEAKING: Final = """
SELECT channel, count(*)::float8 AS devices FROM grafana_security_events WHERE settled_at IS NULL GROUP BY channel
"""
OUTAGE: Final = """
SELECT scope, coalesce(site_no, '') AS site_no, coalesce(site_zh, '') AS site,
       max(extract(epoch FROM now() - began_at))::float8 AS seconds
FROM grafana_outages WHERE ended_at IS NULL GROUP BY scope, site_no, site_zh
"""

DATABASE_ALERTS: Final = (
    Alert(
        "TracefleetColdChainExcursion",
        "critical",
        Sql(EXCURSION),
        30,
        Texts("A cold store is out of its band", "冷链超出温度带"),
        Texts(
            "{{ .Value }} probes at {{ .Labels.site }} ({{ .Labels.site_no }}) are out of their band.",
            "{{ .Labels.site }}（{{ .Labels.site_no }}）有 {{ .Value }} 个探头超出温度带。",
        ),
        Texts(
            "For half an hour warmer or colder than its band: the most specific row of coldchain_bands, 0 to 8 °C for "
            "loggers of which nothing else is entered. Defaults of ours, configurable.",
            "温度高于或低于其温度带持续半小时。温度带取 coldchain_bands 中最具体的一行，未另行录入的记录仪为 0～8 °C。"
            "默认值，可配置。",
        ),
    ),
    Alert(
        "TracefleetColdChainGap",
        "warning",
        Sql(GAP),
        15,
        Texts("A cold store is not measured", "冷链数据中断"),
        Texts(
            "{{ .Value }} probes at {{ .Labels.site }} ({{ .Labels.site_no }}) tell no temperature.",
            "{{ .Labels.site }}（{{ .Labels.site_no }}）有 {{ .Value }} 个探头没有温度读数。",
        ),
        Texts(
            "Not heard for more than two intervals, half an hour by default, or the probe cannot read. "
            "Missing data is a fault, not a normal temperature.",
            "超过两个采集间隔（默认半小时）没有数据，或探头读取失败。数据缺失是故障，不等于温度正常。",
        ),
    ),
    Alert(
        "TracefleetVerificationOverdue",
        "warning",
        Sql(UNVERIFIED),
        60,
        Texts("Devices are used without verification", "检定失效仍在使用"),
        Texts(
            "{{ .Value }} devices in use in region {{ .Labels.region_code }}: verification {{ .Labels.metrology }}.",
            "行政区划 {{ .Labels.region_code }} 有 {{ .Value }} 台在用设备检定失效（{{ .Labels.metrology }}）。",
        ),
        Texts(
            "Trading on a scale whose verification is overdue, failed or withdrawn is not allowed.",
            "检定逾期、不合格或证书被撤销的秤不得用于交易。",
        ),
    ),
    Alert(
        "TracefleetCaseOverdue",
        "warning",
        Sql(OVERDUE),
        60,
        Texts("Cases are past their deadline", "处置案件超期"),
        Texts(
            "{{ .Value }} cases stay in the state {{ .Labels.state }} beyond their deadline.",
            "{{ .Value }} 个处置案件停留在 {{ .Labels.state }} 步骤并已超期。",
        ),
        Texts(
            "Somebody has to take the next step, or to move the deadline with a reason.",
            "需要有人办理下一步，或说明理由后调整期限。",
        ),
    ),
    Alert(
        "TracefleetRetiredIdentitySpeaks",
        "critical",
        Sql(SPEAKING),
        1,
        Texts("A retired identity speaks", "已停用身份仍在通信"),
        Texts(
            "{{ .Value }} retired devices try to speak ({{ .Labels.channel }}), and are refused.",
            "{{ .Value }} 台已停用设备仍尝试通信（{{ .Labels.channel }}），已被拒绝。",
        ),
        Texts(
            "It was not switched off, or somebody copied its credential.",
            "设备没有断电，或其凭据被复制。",
        ),
    ),
    Alert(
        "TracefleetOutage",
        "warning",
        Sql(OUTAGE),
        5,
        Texts("An outage lasts", "中断持续"),
        Texts(
            "Out for {{ .Value | humanizeDuration }}: {{ .Labels.scope }} {{ .Labels.site }} {{ .Labels.site_no }}.",
            "已中断 {{ .Value | humanizeDuration }}：{{ .Labels.scope }} {{ .Labels.site }} {{ .Labels.site_no }}。",
        ),
        Texts(
            "scope=site: its power or its line. scope=platform: ours, and no device is blamed for it.",
            "scope=site 为节点停电或断网；scope=platform 为平台自身中断，不计入任何设备。",
        ),
    ),
)
