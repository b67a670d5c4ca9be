"""The problems in Chinese, for callers whose browser asks for it: what each is, and what to do."""

from collections.abc import Mapping
from typing import Final

# By the slug: the title, and the remedy. A test holds that none is missing.
CHINESE: Final[Mapping[str, tuple[str, str]]] = {
    "invalid-request": ("参数不符合要求", "`errors` 列出每个参数及其要求。"),
    "bad-cursor": ("游标不属于该列表", "重复给出该游标的请求，只改 `cursor` 和 `limit`；或不带游标重新开始。"),
    "bad-span": ("时间范围不符合要求", "`from` 须早于 `to`，最多相隔 400 天。"),
    "no-such-resolution": ("该数据流没有这种汇总", "请用 `auto`，或 `detail` 中列出的粒度。"),
    "unknown-device": ("没有该设备", "请在 `/api/v1/devices` 中核对编号，区分大小写。"),
    "no-such-state": ("审计中没有该设备当日的状态", "`/api/v1/devices/{device_no}/history` 说明从何时到何时有记录。"),
    "unknown-dead-letter": ("没有该死信", "请在 `/api/v1/dead-letters` 中核对编号；可能已被清除或超过保留期。"),
    "not-found": ("没有该地址", "`/api/v1/docs` 列出本服务的全部地址。"),
    "method-not-allowed": ("该地址不接受此方法", "`Allow` 头列出可用的方法。"),
    "slow-body": ("请求体未及时到达", "没有保存任何内容。请分成较小的部分重新发送。"),
    "too-large": ("请求体过大", "请减少一次请求的内容。"),
    "unsupported-media-type": (
        "不支持该内容类型",
        (
            "数据上报使用 UTF-8 的 `Content-Type: application/x-ndjson`，可加 `Content-Encoding: gzip`；其他请求体使用 "
            "`application/json`。"
        ),
    ),
    "unreadable-body": ("请求体无法解析", "没有保存任何内容。请修正发送方后重新发送。"),
    "busy": ("此类请求已达服务器上限", "没有保存任何内容。请在 `Retry-After` 秒后发送同一请求体。"),
    "too-often": (
        "请求过于频繁",
        (
            "没有任何更改。请在 `Retry-After` 秒后重试；加大每页条数可减少请求。"
            "上限由 TRACEFLEET_API_READS_PER_MINUTE 和 TRACEFLEET_API_WRITES_PER_MINUTE 设定。"
        ),
    ),
    "unknown-entry": ("台账中没有该条目", "没有任何更改。请核对编号后更正。"),
    "illegal-transition": ("当前状态不允许变为该状态", "没有任何更改。`allowed` 列出当前允许的状态。"),
    "rule-broken": ("违反台账规则", "没有任何更改。"),
    "unauthenticated": (
        "身份无法确认",
        (
            "请在 `/login` 登录，或发送 `Authorization: Bearer tf_<id>_<secret>`，密钥须未过期、未吊销："
            "`tracefleet keys create` 可创建。"
        ),
    ),
    "forbidden": ("没有权限", "请使用具有相应角色的密钥或用户。"),
    "cross-site": (
        "请求来自其他网站的页面",
        (
            "没有任何更改。请使用本服务的页面；位于其他服务器之后时，地址由 TRACEFLEET_PUBLIC_URL 设定；"
            "程序请勿发送 `Origin` 和 `Sec-Fetch-Site`。"
        ),
    ),
    "password-must-change": (
        "须先更改密码",
        "请在 `/login` 或用 `PUT /api/v1/password` 设置自己的密码；在此之前不能做其他操作。",
    ),
    "weak-password": ("新密码不够安全", "没有任何更改。请用几个词组成密码，不含用户名，且不同于原密码。"),
    "login-refused": ("登录被拒绝", "请核对用户名和密码。管理员可用 `tracefleet users reset` 重设。"),
    "login-throttled": ("尝试次数过多", "请等待 `Retry-After` 秒；再次失败会延长等待。"),
    "enrolment-refused": (
        "设备未能入网",
        (
            "请重新核对编号和入网码。入网码只能用一次、限时有效，输错五次作废；"
            "台账管理员可用 `tracefleet devices enrol` 另发。"
        ),
    ),
    "key-unusable": ("服务器没有本系统的密钥", "没有任何更改。请修正服务器 TRACEFLEET_KEY_FILE 的密钥文件。"),
    "refused": ("请求被拒绝", "`detail` 说明原因。"),
    "internal": ("服务器内部错误", "原因已写入日志。重复请求未必有效。"),
    "database-unavailable": ("数据库没有响应", "请在 `Retry-After` 秒后重试；`/readyz` 说明原因。"),
    "too-many-watchers": ("事件订阅已达上限", "请在 `Retry-After` 秒后重试，或由一个程序代多方订阅。"),
    "not-written": (
        "数据库没有确认该请求",
        "请在 `Retry-After` 秒后发送同一请求体，次数不限：已保存的会计为重复。`/readyz` 说明原因。",
    ),
    "ledger-unknown": ("服务器尚未读取设备台账", "没有保存任何内容。请在 `Retry-After` 秒后发送同一请求体。"),
    "schema-not-ready": ("数据库结构不是本版本的", "请运行 `tracefleet migrate`；`/readyz` 给出当前版本。"),
    "too-slow": ("数据库响应过慢", "请缩短时间范围、改用较粗的粒度或减少行数。"),
}


def is_asked_for(accept_language: str | None) -> bool:
    """Whether a caller with this header would rather have Chinese than English (RFC 9110, section 12.5.4).

    English where neither is named, as in what nobody reads a header of; nonsense counts as not said.
    """
    best = {"zh": 0.0, "en": 0.0}
    for part in (accept_language or "").split(","):
        tag, _, weight = part.partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if name in best:
            best[name] = max(best[name], quality)
    return best["zh"] > best["en"]
