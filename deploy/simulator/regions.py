"""The regions of Henan with their GB/T 2260 codes: the prefectures, and the counties that report directly."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Region:
    """A region as the ledger holds it; *weight* is the share of the city's sites that it gets."""

    region_code: str
    name_zh: str
    name_en: str
    parent_code: str | None
    weight: int


PROVINCE: Final = Region("410000", "河南省", "Henan", None, 0)
_PREFECTURES: Final = (
    ("410100", "郑州市", "Zhengzhou", 12),
    ("410200", "开封市", "Kaifeng", 3),
    ("410300", "洛阳市", "Luoyang", 6),
    ("410400", "平顶山市", "Pingdingshan", 3),
    ("410500", "安阳市", "Anyang", 3),
    ("410600", "鹤壁市", "Hebi", 1),
    ("410700", "新乡市", "Xinxiang", 4),
    ("410800", "焦作市", "Jiaozuo", 2),
    ("410900", "濮阳市", "Puyang", 2),
    ("411000", "许昌市", "Xuchang", 3),
    ("411100", "漯河市", "Luohe", 2),
    ("411200", "三门峡市", "Sanmenxia", 1),
    ("411300", "南阳市", "Nanyang", 5),
    ("411400", "商丘市", "Shangqiu", 4),
    ("411500", "信阳市", "Xinyang", 3),
    ("411600", "周口市", "Zhoukou", 4),
    ("411700", "驻马店市", "Zhumadian", 3),
    ("419001", "济源市", "Jiyuan", 1),
)
_COUNTIES: Final = (
    ("410181", "巩义市", "Gongyi"),
    ("410225", "兰考县", "Lankao"),
    ("410482", "汝州市", "Ruzhou"),
    ("410526", "滑县", "Huaxian"),
    ("410783", "长垣市", "Changyuan"),
    ("411381", "邓州市", "Dengzhou"),
    ("411481", "永城市", "Yongcheng"),
    ("411525", "固始县", "Gushi"),
    ("411628", "鹿邑县", "Luyi"),
    ("411729", "新蔡县", "Xincai"),
)
REGIONS: Final = (
    PROVINCE,
    *(Region(code, chinese, english, "410000", weight) for code, chinese, english, weight in _PREFECTURES),
    *(Region(code, chinese, english, f"{code[:4]}00", 1) for code, chinese, english in _COUNTIES),
)
