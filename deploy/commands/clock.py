"""Instants as people read them: in China time, wherever the machine is; JSON keeps UTC."""

from datetime import datetime

from fleet.business_day import SHANGHAI


def clock(instant: datetime | None, *, seconds: bool = False) -> str:
    """The instant in Asia/Shanghai to the minute, or to the second; empty for none."""
    if instant is None:
        return ""
    return f"{instant.astimezone(SHANGHAI):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"
