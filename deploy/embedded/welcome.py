"""The text that ``tracefleet up`` ends its set-up with: where everything is, and what to try next."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded.trial import Trial
from deploy.invocation import program
from fleet.identity.users import FIRST


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running system are."""

    database_url: str
    broker_url: str
    nats_url: str
    api_url: str
    metrics_urls: dict[str, str]


def welcome(addresses: Addresses, *, data_dir: Path, trial: Trial | None, first_password: str | None) -> str:
    """The text; *trial* is what to try things with, *first_password* that of the first user, if there is such."""
    metrics = "\n".join(f"             {name:<7} {url}" for name, url in addresses.metrics_urls.items()).lstrip()
    return f"""
tracefleet is running · 系统已启动

  API        {addresses.api_url}   (docs · 接口文档: {addresses.api_url}/api/v1/docs)
  Metrics    {metrics}
  Database   {_without_password(addresses.database_url)}   (password · 密码: {data_dir / "runtime.json"})
  Broker     {_without_user(addresses.broker_url)}   (our own user · 服务账号: {data_dir / "runtime.json"})
  Logs       {data_dir / "logs"}
  Log in     {_login(addresses, first_password)}

{_next_steps(addresses, trial)}

Ctrl-C stops everything; the data stays in {data_dir}
按 Ctrl-C 停止全部服务；数据保留在上述目录中
"""


def _next_steps(addresses: Addresses, trial: Trial | None) -> str:
    if trial is None:
        return f"""What to try next · 接下来
  Start again with devices that publish · 带上模拟设备再次启动:
    {program()} up --simulate 200
{_how_to_get_a_key()}  Which devices are there · 查看设备:
    curl -s -H "Authorization: Bearer $KEY" {addresses.api_url}/api/v1/devices"""
    broker = urlsplit(addresses.broker_url)
    # The time as milliseconds, by the shell. A boot of its own each time, so that no number of one is missing.
    message = (
        """'{"v":1,"boot":"hello'$(date +%s)'","seq":0,"sent_at":'$(date +%s)'000,"""
        """"records":[{"at":'$(date +%s)'000,"temperature_c":2.1}]}'"""
    )
    device_no = trial.device_no
    topic = f"tracefleet/v1/{device_no}/coldchain"
    entrance = f"-i {device_no} -u {device_no} -P {trial.secret or 'SECRET'}"
    return f"""What to try next · 接下来
{_how_to_get_a_secret(trial)}  Publish a temperature as a registered device · 以已登记设备的身份发布一条温度:
    mosquitto_pub -h {broker.hostname} -p {broker.port} {entrance} -q 1 -t {topic} -m {message}
  The broker acknowledges; the row follows within a second · 确认由消息代理发出，数据在一秒内入库:
    sleep 1
{_how_to_get_a_key()}  Read its latest values back · 读取它的最新值:
    curl -s -H "Authorization: Bearer $KEY" {addresses.api_url}/api/v1/devices/{device_no}/latest"""


def _login(addresses: Addresses, first_password: str | None) -> str:
    url = f"{addresses.api_url}/login"
    if first_password is None:
        return f"{url}   (forgotten · 忘记密码: {program()} users reset {FIRST})"
    return f"""{url}
             user · 用户名: {FIRST}   one-time password · 一次性密码: {first_password}
             shown this once, changed at the first login · 仅显示这一次，首次登录须修改"""


def _how_to_get_a_key() -> str:
    return f"""  Make a key that reads · 生成一把只读密钥:
    KEY=$({program()} keys create --name try-$(date +%s) --role viewer --expires 30d)
"""


def _how_to_get_a_secret(trial: Trial) -> str:
    if trial.secret is not None:
        return ""
    return f"""  Issue the device a credential; its secret is shown once · 为设备签发凭据，密钥只显示一次:
    {program()} devices credential {trial.device_no}
"""


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
