"""The dashboards there are: what each is called, and which variables it has. A module of each says what is on it."""

from dataclasses import dataclass
from typing import Final

# A text in English and in Chinese.
Texts = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A dashboard. *name* begins the name of its file and is in its uid; *short* is what links to it say."""

    name: str
    title: Texts
    short: Texts
    description: Texts
    variables: tuple[str, ...]

    def uid(self, language: str) -> str:
        """By which Grafana knows it in a language; links hold it."""
        return f"tracefleet-{self.name}-{language}"


PLACES: Final = ("region", "site", "kind")
DEVICES: Final = (*PLACES, "device")

CITY_OVERVIEW: Final = Entry(
    "city-overview",
    ("City overview", "城市总览"),
    ("Overview", "总览"),
    ("What needs somebody now, in the whole city, and where.", "全市当前需要处理的问题及其所在。"),
    PLACES,
)
INGEST_PIPELINE: Final = Entry(
    "ingest-pipeline",
    ("Ingest pipeline", "数据接入"),
    ("Ingest", "接入"),
    (
        "What comes in, what becomes of it, how long that takes, and what is refused.",
        "数据的接入、处理结果、耗时与拒收情况。",
    ),
    ("instance",),
)
COLD_CHAIN: Final = Entry(
    "cold-chain",
    ("Cold chain", "冷链"),
    ("Cold chain", "冷链"),
    ("Temperatures of stores and vehicles, worst first.", "冷库与车辆的温度，由差到好。"),
    DEVICES,
)
SCALES_AND_SCANNERS: Final = Entry(
    "scales-and-scanners",
    ("Scales and scanners", "追溯秤与扫码"),
    ("Scales", "秤与扫码"),
    ("Whether what was bought is used: trades, receipts, look-ups.", "设备使用情况：交易、打单与查询。"),
    DEVICES,
)
FLEET_HEALTH: Final = Entry(
    "fleet-health",
    ("Fleet health", "设备健康"),
    ("Health", "健康"),
    ("Which devices are not well, why, and what falls due.", "哪些设备状况不佳、原因，以及即将到期的事项。"),
    DEVICES,
)
RETIREMENT: Final = Entry(
    "retirement",
    ("Retirement", "设备淘汰"),
    ("Retirement", "淘汰"),
    (
        "Which devices ought to go, how far their disposal is, and whether what is gone keeps silent.",
        "应淘汰设备、处置案件与淘汰任务的进展，以及已注销设备是否仍在访问。",
    ),
    (*DEVICES, "programme"),
)
SITE_DETAIL: Final = Entry(
    "site-detail",
    ("Site detail", "节点详情"),
    ("Site", "节点"),
    ("A site: its devices, its trades, its cold chain.", "单个节点企业：设备、交易与冷链。"),
    DEVICES,
)
DEVICE_DETAIL: Final = Entry(
    "device-detail",
    ("Device detail", "设备详情"),
    ("Device", "设备"),
    ("A device: whether it is heard, what it says, what happened to it.", "单台设备：在线、数据与经历。"),
    DEVICES,
)
# In the order of the links above each of them.
ENTRIES: Final = (
    CITY_OVERVIEW,
    INGEST_PIPELINE,
    COLD_CHAIN,
    SCALES_AND_SCANNERS,
    FLEET_HEALTH,
    RETIREMENT,
    SITE_DETAIL,
    DEVICE_DETAIL,
)
