"""The text that ``tracefleet up`` ends its set-up with: where everything is, and what to try next."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.invocation import program


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running system are."""

    database_url: str
    broker_url: str
    api_url: str
    metrics_urls: dict[str, str]


def welcome(addresses: Addresses, *, data_dir: Path, device_no: str | None) -> str:
    """The text; *device_no* is a registered logger to try things with, if there is one."""
    metrics = "\n".join(f"             {name:<7} {url}" for name, url in addresses.metrics_urls.items()).lstrip()
    return f"""
tracefleet is running · 系统已启动

  API        {addresses.api_url}   (docs · 接口文档: {addresses.api_url}/api/v1/docs)
  Metrics    {metrics}
  Database   {_without_password(addresses.database_url)}   (password · 密码: {data_dir / "runtime.json"})
  Broker     {addresses.broker_url}
  Logs       {data_dir / "logs"}

{_next_steps(addresses, device_no)}

Ctrl-C stops everything; the data stays in {data_dir}
按 Ctrl-C 停止全部服务；数据保留在上述目录中
"""


def _next_steps(addresses: Addresses, device_no: str | None) -> str:
    if device_no is None:
        return f"""What to try next · 接下来
  Start again with devices that publish · 带上模拟设备再次启动:
    {program()} up --simulate 200
  Which devices are there · 查看设备:
    curl -s {addresses.api_url}/api/v1/devices"""
    broker = urlsplit(addresses.broker_url)
    # The time as milliseconds, by the shell; a sequence number that is new each second.
    message = (
        """'{"v":1,"boot":"hello","seq":'$(date +%s)',"sent_at":'$(date +%s)'000,"""
        """"records":[{"at":'$(date +%s)'000,"temperature_c":2.1}]}'"""
    )
    return f"""What to try next · 接下来
  Publish a temperature as a registered device · 以已登记设备的身份发布一条温度:
    mosquitto_pub -h {broker.hostname} -p {broker.port} -q 1 -t tracefleet/v1/{device_no}/coldchain -m {message}
  The broker acknowledges; the row follows within a second · 确认由消息代理发出，数据在一秒内入库:
    sleep 1
  Read its latest values back · 读取它的最新值:
    curl -s {addresses.api_url}/api/v1/devices/{device_no}/latest"""


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
