"""What is sold, in which line of business, at which price. Goods codes are made up; only their shape is real."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Goods:
    """One thing a merchant sells; the usual price in fen per kilogram, the usual purchase in grams."""

    plu: str
    goods_code: str
    name: str
    fen_per_kg: int
    usual_g: int


# Leading zeros are part of a code, so some have them.
LINES: Final[dict[str, tuple[Goods, ...]]] = {
    "pork": (
        Goods("101", "02110101", "猪后腿肉", 2680, 850),
        Goods("102", "02110102", "五花肉", 3180, 700),
        Goods("103", "02110103", "猪里脊", 3480, 500),
        Goods("104", "02110104", "排骨", 5280, 900),
        Goods("105", "02110105", "猪蹄", 4380, 1200),
    ),
    "beef_and_mutton": (
        Goods("201", "02120101", "牛腩", 7280, 800),
        Goods("202", "02120102", "牛腱子", 8180, 700),
        Goods("203", "02130101", "羊腿", 7880, 1500),
        Goods("204", "02130102", "羊排", 8480, 1000),
    ),
    "poultry": (
        Goods("301", "02140101", "三黄鸡", 2880, 1400),
        Goods("302", "02140102", "鸭", 2480, 1800),
        Goods("303", "02310101", "鲜鸡蛋", 1080, 1500),
    ),
    "vegetables": (
        Goods("401", "01230101", "大白菜", 260, 2200),
        Goods("402", "01230102", "番茄", 680, 900),
        Goods("403", "01230103", "黄瓜", 580, 700),
        Goods("404", "01230104", "青椒", 780, 450),
        Goods("405", "01230105", "土豆", 360, 1300),
        Goods("406", "01230106", "菠菜", 880, 500),
        Goods("407", "01230107", "大葱", 480, 600),
    ),
    "herbs": (
        Goods("501", "01390101", "铁棍山药", 1680, 1200),
        Goods("502", "01390102", "金银花", 15800, 100),
        Goods("503", "01390103", "地黄", 4600, 250),
    ),
}
# How often each line is met in a market; herbs are a speciality of the wholesale markets.
WET_MARKET_LINES: Final = {"pork": 5, "beef_and_mutton": 2, "poultry": 2, "vegetables": 9}
WHOLESALE_LINES: Final = {"pork": 4, "beef_and_mutton": 2, "poultry": 2, "vegetables": 6, "herbs": 2}
