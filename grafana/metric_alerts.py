"""Alerts that Prometheus can tell. Limits are defaults of ours 默认值, 可配置.

Several processes may tell the same (replicas of fleet) or a part of it (workers of ingest): the first are taken by
``max``, the second by ``sum``. Counters begin again at zero with their process, which ``rate`` and ``increase`` know.
``tracefleet doctor`` judges by the same limits.
"""

from typing import Final

from grafana.alert import Alert, Promql, Texts

MISSING_SHARE: Final = 0.005
REFUSED_SHARE: Final = 0.05
FEWEST_REFUSED: Final = 100
SILENT_SHARE: Final = 0.3
FEWEST_SILENT: Final = 5
WAITING_SECONDS: Final = 30
INBOX_SHARE: Final = 0.8
WINDOW_SHARE: Final = 0.9
CERTIFICATE_DAYS: Final = 14
STALLED_SECONDS: Final = 3600
# Two rounds of six hours, and an hour.
UNVERIFIED_SECONDS: Final = 13 * 3600
COMMIT_MINUTES: Final = 15

_EXPECTED: Final = "tracefleet_fleet_expected_devices"
_DAY: Final = "tracefleet_fleet_day_records"
_RECORDS: Final = "tracefleet_ingest_records_total"
_REQUESTS: Final = "tracefleet_api_requests_total"
_SUCCESS: Final = "tracefleet_fleet_sweep_success_timestamp_seconds"

OF_THE_DATA: Final = (
    Alert(
        "TracefleetRecordsMissing",
        "critical",
        Promql(
            f'max({_DAY}{{outcome="missing"}})'
            f' / (max({_DAY}{{outcome="missing"}}) + max({_DAY}{{outcome="received"}})) > {MISSING_SHARE}'
        ),
        30,
        Texts("Records are missing", "数据缺失"),
        Texts(
            "{{ .Value | humanizePercentage }} of the records of today and yesterday never came.",
            "今天和昨天有 {{ .Value | humanizePercentage }} 的记录始终没有收到。",
        ),
        Texts(
            "Devices number their records, and the numbers have gaps: what is missing was neither stored nor refused. "
            "Lost on a device, by a gateway, or by the broker.",
            "设备给记录连续编号，而编号出现缺口：缺失的记录既未入库，也未被拒收，可能丢失在设备、网关或消息代理。",
        ),
    ),
    Alert(
        "TracefleetNoCommit",
        "critical",
        Promql(
            f'sum(increase(tracefleet_ingest_commit_seconds_count{{job="ingest"}}[{COMMIT_MINUTES}m])) == 0'
            ' and sum(max by (kind) (tracefleet_fleet_devices{state="in_service"})) > 0'
        ),
        5,
        Texts("Nothing is stored", "没有数据入库"),
        Texts(
            "No batch was committed for 15 minutes, though devices are in service.",
            "有在用设备，但 15 分钟内没有任何批次提交入库。",
        ),
        Texts(
            "Either nothing arrives from any device, or what arrives cannot be written. The broker keeps what devices "
            "publish, until its disk is full.",
            "要么没有任何设备的数据到达，要么到达的数据无法写入。消息代理会保留设备发布的消息，直到其磁盘写满。",
        ),
    ),
    Alert(
        "TracefleetDeadLetters",
        "warning",
        Promql(
            f'sum(rate({_RECORDS}{{outcome="dead_lettered"}}[15m])) / sum(rate({_RECORDS}[15m])) > {REFUSED_SHARE}'
            f' and sum(increase({_RECORDS}{{outcome="dead_lettered"}}[15m])) > {FEWEST_REFUSED}'
        ),
        15,
        Texts("Many records are refused", "大量记录被拒收"),
        Texts(
            "{{ .Value | humanizePercentage }} of the records of the last 15 minutes became dead letters.",
            "最近 15 分钟有 {{ .Value | humanizePercentage }} 的记录成为死信。",
        ),
        Texts(
            "Nothing is lost: the raw bytes are kept and can be replayed. Until then they are in no evaluation.",
            "数据没有丢失：原始字节已保留，可以重放；重放之前不参与任何统计。",
        ),
    ),
    Alert(
        "TracefleetDevicesSilent",
        "warning",
        Promql(
            f'sum(max by (presence) ({_EXPECTED}{{presence=~"late|silent"}}))'
            f' / sum(max by (presence) ({_EXPECTED}{{presence!="never_seen"}})) > {SILENT_SHARE}'
            f' and sum(max by (presence) ({_EXPECTED}{{presence=~"late|silent"}})) >= {FEWEST_SILENT}'
        ),
        15,
        Texts("Many devices are silent", "大量设备无声"),
        Texts(
            "{{ .Value | humanizePercentage }} of the devices that should be heard now are late or silent.",
            "此刻应在线的设备中，{{ .Value | humanizePercentage }} 迟到或无声。",
        ),
        Texts(
            "Counted are devices in service whose site is open and not out. Something that many share is broken: a "
            "network, a SIM plan, a firmware, the broker's address.",
            "只统计所在节点正在营业且未中断的在用设备。故障多半出在公共部分：网络、流量套餐、固件或消息代理地址。",
        ),
    ),
)

OF_INGEST: Final = (
    Alert(
        "TracefleetIngestLagging",
        "warning",
        Promql(
            f"max by (instance) (tracefleet_ingest_waiting_seconds) > {WAITING_SECONDS}"
            ' or histogram_quantile(0.5, sum by (le) (rate(tracefleet_ingest_lag_seconds_bucket{job="ingest"}[10m])))'
            " > 300"
        ),
        5,
        Texts("Data comes late", "数据延迟"),
        Texts(
            "Data is stored {{ .Value | humanizeDuration }} late.",
            "数据入库延迟 {{ .Value | humanizeDuration }}。",
        ),
        Texts(
            "With an instance: a message waits in that worker for its commit. Without: half of all messages are more "
            "than 5 minutes old when stored, because the broker's queue is long or devices send what they kept.",
            "带 instance 的：消息在该接入进程内等待提交。不带的：一半消息入库时已超过 5 分钟，"
            "原因是消息代理积压，或设备正在补传。",
        ),
    ),
    Alert(
        "TracefleetIngestDisconnected",
        "critical",
        Promql("avg_over_time(tracefleet_ingest_connected[5m]) < 0.5"),
        2,
        Texts("Ingest is not connected", "接入进程未连接"),
        Texts(
            "{{ .Labels.instance }} was not subscribed at the broker for most of the last 5 minutes.",
            "{{ .Labels.instance }} 最近 5 分钟大部分时间没有订阅消息代理。",
        ),
        Texts(
            "It runs, and the broker does not serve it, or serves it again and again for a moment. What it reads waits "
            "at the broker.",
            "进程在运行，但消息代理不接纳它，或反复断开。应由它读取的消息在消息代理处等待。",
        ),
    ),
    Alert(
        "TracefleetCommitsRetried",
        "warning",
        Promql("sum by (class) (increase(tracefleet_ingest_retries_total[10m])) > 10"),
        5,
        Texts("Commits are tried again and again", "反复重试提交"),
        Texts(
            "Batches had to be written again {{ .Value | humanize }} times in 10 minutes: class {{ .Labels.class }}.",
            "10 分钟内批次重写 {{ .Value | humanize }} 次，错误类别 {{ .Labels.class }}。",
        ),
        Texts(
            "The class is that of the SQLSTATE: 53 no room or too many connections, 57 the server stops, 08 and lost "
            "the connection, 25 read only, 42 another schema.",
            "类别为 SQLSTATE 前两位：53 空间或连接数不足，57 服务器停止，08 与 lost 连接中断，25 只读，42 表结构不符。",
        ),
    ),
    Alert(
        "TracefleetIngestQueueNearLimit",
        "warning",
        Promql(
            f"avg_over_time(tracefleet_ingest_inbox_bytes[5m]) / tracefleet_ingest_inbox_limit_bytes > {INBOX_SHARE}"
            " or avg_over_time(tracefleet_ingest_unacknowledged_messages[5m])"
            f" / tracefleet_ingest_window_messages > {WINDOW_SHARE}"
        ),
        5,
        Texts("A queue of ingest is nearly full", "接入队列接近上限"),
        Texts(
            "A queue of {{ .Labels.instance }} is filled to {{ .Value | humanizePercentage }}.",
            "{{ .Labels.instance }} 的队列已占用 {{ .Value | humanizePercentage }}。",
        ),
        Texts(
            "This worker is at its limit: it reads no faster, and the broker keeps the rest.",
            "该接入进程已达能力上限，不再加快读取，其余消息留在消息代理。",
        ),
    ),
    Alert(
        "TracefleetBrokerCertificateEnding",
        "warning",
        Promql(
            "min((tracefleet_ingest_broker_certificate_expiry_timestamp_seconds > 0) - time())"
            f" < {CERTIFICATE_DAYS} * 86400",
        ),
        60,
        Texts("The broker's certificate ends", "消息代理证书即将到期"),
        Texts(
            "The broker's certificate ends in {{ .Value | humanizeDuration }}.",
            "消息代理的证书将在 {{ .Value | humanizeDuration }} 后到期。",
        ),
        Texts(
            "After that no device and no worker connects, and none says why.",
            "到期后任何设备和接入进程都无法连接，且设备端不会说明原因。",
        ),
    ),
)

OF_THE_FLEET: Final = (
    Alert(
        "TracefleetCredentialsEnding",
        "warning",
        Promql(
            'sum by (holder) (max by (holder, within) (tracefleet_fleet_credentials_ending{within=~"ended|7d"})) > 0'
        ),
        60,
        Texts("Credentials end", "凭据即将到期"),
        Texts(
            "The credentials of {{ .Value | humanize }} ({{ .Labels.holder }}) have ended or end within 7 days.",
            "{{ .Value | humanize }} 个 {{ .Labels.holder }} 的凭据已到期或将在 7 天内到期。",
        ),
        Texts(
            "A device in service whose last password or certificate ends is not let in any more; a caller of the API "
            "is refused.",
            "在用设备的最后一个密码或证书到期后将无法接入；接口调用方将被拒绝。",
        ),
    ),
    Alert(
        "TracefleetAuditBroken",
        "critical",
        Promql("max(tracefleet_fleet_audit_findings) > 0"),
        1,
        Texts("The audit is broken", "审计链断裂"),
        Texts(
            "The last verification of the audit found {{ .Value | humanize }} things.",
            "最近一次审计校验发现 {{ .Value | humanize }} 处异常。",
        ),
        Texts(
            "Somebody edited, deleted, inserted, reordered or cut off entries, or the key is another one. Nothing that "
            "was not sealed by us is evidence.",
            "有人修改、删除、插入、重排或截断了审计记录，或密钥文件已更换。未经封存的内容不能作为证据。",
        ),
    ),
    Alert(
        "TracefleetAuditUnverified",
        "warning",
        Promql(f'time() - max({_SUCCESS}{{sweep="verification"}}) > {UNVERIFIED_SECONDS}'),
        60,
        Texts("The audit is not verified", "审计未校验"),
        Texts(
            "The audit was not verified for {{ .Value | humanizeDuration }}.",
            "审计已有 {{ .Value | humanizeDuration }} 未校验。",
        ),
        Texts(
            "Fleet verifies it every 6 hours. Until it does, nobody would notice a change.",
            "设备管理进程每 6 小时校验一次；未校验期间，篡改不会被发现。",
        ),
    ),
    Alert(
        "TracefleetSweepStalled",
        "warning",
        Promql(f'time() - max by (sweep) ({_SUCCESS}{{sweep!="verification"}}) > {STALLED_SECONDS}'),
        15,
        Texts("A sweep has stalled", "巡检停滞"),
        Texts(
            "The sweep {{ .Labels.sweep }} has not succeeded for {{ .Value | humanizeDuration }}.",
            "巡检 {{ .Labels.sweep }} 已有 {{ .Value | humanizeDuration }} 未成功。",
        ),
        Texts(
            "What it keeps up to date is old: numbers, health, outages, deadlines of cases, who may connect.",
            "由它维护的内容已过时：统计、健康、中断、处置期限或接入权限。",
        ),
    ),
    Alert(
        "TracefleetJobFailing",
        "warning",
        Promql("max by (name) (delta(tracefleet_fleet_job_failures[2h])) > 0"),
        5,
        Texts("A job of the store fails", "维护任务失败"),
        Texts("The job {{ .Labels.name }} failed within 2 hours.", "维护任务 {{ .Labels.name }} 两小时内失败过。"),
        Texts(
            "It deletes what is old, compresses, or keeps roll-ups current: in the end the disk is full.",
            "该任务负责删除过期数据、压缩或刷新汇总；长期失败会写满磁盘。",
        ),
    ),
)

OF_THE_PROCESSES: Final = (
    Alert(
        "TracefleetProcessDown",
        "critical",
        Promql(
            'up{job=~"ingest|fleet|api"} == 0'
            ' or absent(up{job="ingest"}) or absent(up{job="fleet"}) or absent(up{job="api"})'
        ),
        3,
        Texts("A process is down", "进程停止"),
        Texts(
            "{{ .Labels.job }} {{ .Labels.instance }} does not answer Prometheus.",
            "{{ .Labels.job }} {{ .Labels.instance }} 不响应 Prometheus。",
        ),
        Texts(
            "It ended, it hangs, or it cannot be reached: what it does is not done. "
            "Without an instance: Prometheus knows no process of that name at all.",
            "进程已退出、挂起或不可达，其工作已停止。没有 instance 的：Prometheus 完全没有该进程的采集目标。",
        ),
    ),
    Alert(
        "TracefleetApiFailing",
        "warning",
        Promql(
            f'sum(rate({_REQUESTS}{{status="5xx"}}[10m])) / sum(rate({_REQUESTS}[10m])) > 0.05'
            f' and sum(increase({_REQUESTS}{{status="5xx"}}[10m])) > 10'
        ),
        10,
        Texts("The API fails", "接口出错"),
        Texts(
            "{{ .Value | humanizePercentage }} of the requests of the last 10 minutes failed.",
            "最近 10 分钟有 {{ .Value | humanizePercentage }} 的请求失败。",
        ),
        Texts(
            "Answers of class 5xx: the database does not answer, or a fault of ours.",
            "5xx 应答：数据库没有响应，或程序缺陷。",
        ),
    ),
)

METRIC_ALERTS: Final = (*OF_THE_DATA, *OF_INGEST, *OF_THE_FLEET, *OF_THE_PROCESSES)
