"""Writes ``deploy/REFERENCE.md`` from the code: the settings and the fields of a message. ``--check`` only compares."""

import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from store.records import TELEMETRY
from store.settings import PREFIX, Settings, as_variable

TARGET: Final = Path(__file__).with_name("REFERENCE.md")

HEAD: Final = """<!-- Made by `make generate` from store/settings.py and store/records.py; do not edit. -->

# Reference · 参考

## Settings · 设置

From the environment, or lower-case and without the prefix in `tracefleet.toml`; the environment wins.
A variable with `_FILE` behind its name, as `TRACEFLEET_DATABASE_PASSWORD_FILE`, names a file that holds the value.
来自环境变量，或写在 `tracefleet.toml` 中（小写、无前缀）；环境变量优先。变量名后加 `_FILE` 则给出存放该值的文件。

| variable · 变量 | default · 默认值 | what it sets · 含义 |
|---|---|---|
"""
EXIT_STATUS: Final = """
## Exit status · 退出状态

0 done · 完成; 1 done, and something needs attention · 完成，但有需要处理的事项; 2 not done, the reason is said on
standard error · 未执行，原因见标准错误输出。
"""
MESSAGES: Final = """
## Messages · 消息

Topic `tracefleet/v1/{device_no}/{stream}`, QoS 1, one JSON object of at most 256 KiB:
主题 `tracefleet/v1/{device_no}/{stream}`，QoS 1，一个不超过 256 KiB 的 JSON 对象：

```json
{"v": 1, "boot": "6f1e3e43a0b1c2d3", "seq": 4711, "sent_at": "2026-11-23T08:00:00.123Z", "records": [{"at": "…"}]}
```

- `boot`: 1–32 letters and digits, new at each power-up · 1–32 位字母数字，每次上电换新
- `seq`: number of the first record, 0 … 2^63−1; record *i* has `seq + i` · 第一条记录的编号，其后依次加一
- `records`: 1–500 · 1–500 条
- `at` in each record: RFC 3339 with an offset, or integer milliseconds since 1970 UTC; at most 365 days old, 24 h ahead
  · 每条记录的 `at`：带时区的 RFC 3339，或 UTC 毫秒整数；不早于 365 天、不超前 24 小时
- `uptime_ms` in place of `at` from a device without a clock · 无时钟的设备用 `uptime_ms` 代替 `at`

`presence`: `{"v": 1, "state": "online"|"offline", "boot": "…"}`; the offline one as Last Will · 离线消息作为遗嘱.
"""


def render() -> str:
    """The whole page."""
    return HEAD + "".join(map(_setting, Settings.model_fields.items())) + EXIT_STATUS + MESSAGES + "".join(_streams())


def main() -> int:
    """Write the page, or with ``--check`` say whether it is current; the exit status."""
    page = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(page, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{TARGET.name} is not what the code says. Run `make generate`.\n")
    return 1


def _setting(named: tuple[str, FieldInfo]) -> str:
    name, field = named
    default = field.default
    cell = "" if default is None else f"`{as_variable(default)}`"
    return f"| `{PREFIX}{name.upper()}` | {cell} | {field.description} |\n"


def _streams() -> list[str]:
    parts = []
    for stream in TELEMETRY.values():
        parts.append(f"\n### `{stream.name}`\n\n{(stream.model.__doc__ or '').splitlines()[0]}\n\n")
        parts.append("| field · 字段 | type · 类型 | required · 必填 |\n|---|---|---|\n")
        for name, field in stream.model.model_fields.items():
            kind = _kind(field.annotation, field.metadata)
            required = "yes · 是" if field.default is PydanticUndefined else ""
            parts.append(f"| `{name}` | {kind} | {required} |\n")
    return parts


def _kind(annotation: Any, metadata: list[Any]) -> str:  # noqa: ANN401 - any annotation
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _kind(
            inner, [bound for one in more for bound in (one.metadata if isinstance(one, FieldInfo) else [one])]
        )
    if origin in (Union, UnionType):
        return ", ".join("null" if one is NoneType else _kind(one, metadata) for one in _worth(annotation, metadata))
    if origin is Literal:
        return " ".join(f"`{one}`" for one in get_args(annotation))
    if origin is list:
        return f"list of {_kind(get_args(annotation)[0], [])}"
    names = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return f"{names[annotation]}{_bounds(metadata)}"


def _worth(annotation: Any, metadata: list[Any]) -> list[Any]:  # noqa: ANN401 - any annotation
    """The members of a union; the null of a field that may be left out says nothing."""
    members = list(get_args(annotation))
    return members if metadata else [one for one in members if one is not NoneType]


def _bounds(metadata: list[Any]) -> str:
    words = {
        "ge": "≥ {}",
        "gt": "> {}",
        "le": "≤ {}",
        "lt": "< {}",
        "min_length": "at least {}",
        "max_length": "at most {}",
    }
    found = [
        text.format(f"{bound:g}" if abs(bound) < 10**6 else bound)
        for name, text in words.items()
        for one in metadata
        if (bound := getattr(one, name, None)) is not None
    ]
    return f" ({', '.join(found)})" if found else ""


if __name__ == "__main__":
    sys.exit(main())
