"""The pages people see: the first one, the reference, and the explanation of every problem."""

from html import escape
from typing import Final

from fastapi import APIRouter, Request
from psycopg.rows import DictRow
from starlette.responses import HTMLResponse, JSONResponse

from api import openapi, problems, readiness, reference
from api.callers import PUBLIC, READERS, Caller, identify
from api.database import DatabaseDep
from api.html import page, prose, table
from api.problems import ProblemError
from api.problems_zh import CHINESE
from api.readiness import Check, Readiness

router = APIRouter(include_in_schema=False, dependencies=PUBLIC)

REFRESH_SECONDS: Final = 10
_SHOWN_KEY: Final = '-H "Authorization: Bearer $KEY"'
# The minute that runs and the one before it: never less than a minute's worth, and there is something at once.
FIGURES: Final = """
SELECT (SELECT count(*) FROM devices) AS devices,
       (SELECT count(*) FROM device_presence WHERE last_heard_at > now() - INTERVAL '5 minutes') AS heard,
       (SELECT coalesce(sum(stored), 0)::bigint FROM ingest_stats
        WHERE bucket_at >= date_trunc('minute', now()) - INTERVAL '1 minute') AS records,
       coalesce(
           (SELECT device_no FROM latest JOIN devices USING (device_id) WHERE stream = 'coldchain'
            ORDER BY device_id LIMIT 1),
           (SELECT min(device_no) FROM devices)) AS example
"""


@router.get("/")
async def home(request: Request, database: DatabaseDep) -> HTMLResponse:
    """What this is, whether it works, and where to begin; in Chinese and English."""
    found = await readiness.check(database, request.app.state.settings)
    figures: DictRow | None = None
    if found.checks.schema_.ok:
        try:
            figures = await database.fetch_one(FIGURES) if _may_read(await identify(request)) else None
        except ProblemError:
            figures = None  # the checks above say what is wrong; the page is shown either way
    body = _introduction() + _figures(figures) + _checks(found) + _first_steps(_base_url(request), figures)
    return page("tracefleet", body, refresh_seconds=REFRESH_SECONDS)


@router.get(openapi.PATH)
async def document(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get(reference.PATH)
async def docs(request: Request) -> HTMLResponse:
    """Every address of the API, its parameters, answers and an example."""
    return page("tracefleet API", reference.render(request.app.openapi(), _base_url(request)))


@router.get(problems.CATALOGUE_PATH)
async def catalogue() -> HTMLResponse:
    """Where the ``type`` of a problem leads."""
    rows = [
        [
            f'<span id="{kind.slug}"><code>{kind.slug}</code></span>',
            str(kind.status),
            f"{escape(kind.title)}<br>{escape(CHINESE[kind.slug][0])}",
            f"{prose(kind.remedy)}<br>{prose(CHINESE[kind.slug][1])}",
        ]
        for kind in problems.CATALOGUE
    ]
    return page(
        "tracefleet problems",
        f"<h1>Problems 错误说明</h1>{table(['type 类型', 'status 状态码', 'what 说明', 'what to do 处置'], rows)}",
    )


def _base_url(request: Request) -> str:
    """Where the caller found us: what it wrote as the host is shown, escaped, and followed by nobody."""
    return str(request.base_url).rstrip("/")


def _may_read(caller: Caller) -> bool:
    # The figures are of the whole city.
    return caller.has(*READERS) and not caller.must_change and caller.scope.is_everywhere


def _introduction() -> str:
    return (
        "<h1>tracefleet</h1>"
        "<p>食品追溯系统的设备遥测接入与设备管理："
        "追溯秤、查询机、手持读写终端、冷链记录仪的数据在此入库，可通过 HTTP 查询。</p>"
        '<p lang="en">IoT telemetry ingestion and device-fleet management for operators of food-traceability systems: '
        "what trace scales, kiosks, handhelds and cold-chain loggers report is stored here and read over HTTP.</p>"
    )


def _figures(figures: DictRow | None) -> str:
    shown = (
        ("devices", "台账设备 devices in the ledger"),
        ("heard", "5 分钟内在线 heard within 5 minutes"),
        ("records", "近 1–2 分钟入库记录 records stored, this minute and the last"),
    )
    cells = "".join(f"<div><b>{figures[name] if figures else '–'}</b>{escape(label)}</div>" for name, label in shown)
    return f'<div class="figures">{cells}</div>'


def _checks(found: Readiness) -> str:
    parts: list[tuple[str, Check]] = [
        ("数据库 database", found.checks.database),
        ("表结构 schema", found.checks.schema_),
        ("消息代理 broker", found.checks.broker),
        ("接入 ingest", found.checks.ingest),
    ]
    rows = [
        [
            escape(name),
            '<span class="ok">正常 ok</span>' if part.ok else '<span class="bad">异常 not ok</span>',
            prose(part.reason),
        ]
        for name, part in parts
    ]
    return '<h2>状态 Readiness <a href="/readyz">/readyz</a></h2>' + table(["", "", ""], rows)


def _first_steps(base_url: str, figures: DictRow | None) -> str:
    rows = [
        ['<a href="/login">/login</a>', "登录 log in"],
        ['<a href="/api/v1/docs">/api/v1/docs</a>', "接口文档 every address, with examples"],
        ['<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>', "OpenAPI 文件 the same for machines"],
        ['<a href="/api/v1/devices">/api/v1/devices</a>', "设备列表 the devices"],
        ['<a href="/api/v1/ingest/stats">/api/v1/ingest/stats</a>', "接入统计 what came in, by outcome"],
        ['<a href="/api/v1/dead-letters">/api/v1/dead-letters</a>', "死信 what was refused, and why"],
        ['<a href="/metrics">/metrics</a>', "Prometheus 指标 metrics"],
        ['<a href="/runbook">/runbook</a>', "运行手册：各告警的含义与处置 what each alert means, and what to do"],
    ]
    # A device that has something to show, where there is one.
    device_no = (figures or {}).get("example") or "DEVICE_NO"
    examples = "\n".join(
        (
            "KEY=$(tracefleet keys create --name me --role viewer --expires 30d)",
            f"curl {_SHOWN_KEY} '{base_url}/api/v1/devices?kind=trace_scale&limit=5'",
            f"curl {_SHOWN_KEY} '{base_url}/api/v1/devices/{device_no}/latest'",
            f"curl {_SHOWN_KEY} '{base_url}/api/v1/devices/{device_no}/records/coldchain'",
        )
    )
    return f"<h2>从这里开始 First steps</h2>{table(['', ''], rows)}<pre>{escape(examples)}</pre>"
