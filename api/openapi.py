"""The OpenAPI document: what FastAPI derives, with our media type for problems and the records that store defines."""

from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api import permissions, problems, rates
from api.cookies import COOKIE
from store.records import TELEMETRY

PATH: Final = "/api/v1/openapi.json"
_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final = {"$ref": _REF.format(model=problems.Problem.__name__)}
_FIRST_ERROR: Final = 400

TAGS: Final = [
    {"name": "Devices", "description": "The ledger's devices (设备) and their latest values."},
    {
        "name": "Personal data",
        "description": "In clear, by role, with a reason, and every reading in the audit (个人信息).",
    },
    {"name": "Lifecycle", "description": "Devices through their lives (全生命周期): steps, swaps, transfers, losses."},
    {"name": "Device health", "description": "How well devices are, 0 to 100, and why (健康评分)."},
    {
        "name": "Cases",
        "description": "Devices out of the fleet (依法依规处置), from the first doubt to the books closed.",
    },
    {"name": "Outsiders", "description": "Strangers and ghosts (未登记与从未上线), and identities gone astray."},
    {"name": "Outages", "description": "When nobody could be heard (中断), and after how long a device is silent."},
    {"name": "Cold chain", "description": "Within which temperatures a probe is well (温度带)."},
    {
        "name": "Obsolescence",
        "description": "Which devices no longer serve (淘汰判定): rules, findings with their evidence, flags.",
    },
    {"name": "Audit", "description": "Who changed what in the ledger (审计), and what it said on any past day."},
    {"name": "Records", "description": "What devices reported, raw or rolled up."},
    {"name": "Sites", "description": "Node enterprises (节点企业), where devices stand."},
    {"name": "Sheets", "description": "The ledger as spreadsheets: exports (导出) and templates (模板) to fill in."},
    {"name": "Parties", "description": "Who trades, and who answers for devices; personal data is masked."},
    {"name": "Catalogues", "description": "What the ledger goes by: regions, models, code profiles, gates."},
    {"name": "Ingest", "description": "What came in, and what became of it."},
    {"name": "Dead letters", "description": "What could not be stored as telemetry (死信), and what to do with it."},
    {"name": "Credentials", "description": "What devices prove themselves by at the broker (设备凭据)."},
    {
        "name": "Security",
        "description": "Retired identities that speak (已注销仍在尝试), and what was done.",
    },
    {"name": "Broker", "description": "For brokers that ask who may connect."},
    {"name": "Programmes", "description": "Campaigns of retirement (淘汰任务): progress, blockers, forecast, sheets."},
    {"name": "Site look-ups", "description": "Look-ups at a site that no device of ours saw (二维码查询量)."},
    {"name": "Events", "description": "What changes in the fleet, as it changes (事件推送)."},
    {"name": "Accounts", "description": "Who calls, as what and where (账号与密钥): log-ins, users, keys."},
    {"name": "Health", "description": "For supervisors and Prometheus."},
]
DESCRIPTION: Final = """\
Telemetry and fleet of a food-traceability system. 食品追溯系统的设备遥测与设备管理。

- Times are RFC 3339. Answers are in UTC with `Z`; parameters need an offset.
- Units end the names: `_g` grams, `_fen` 0.01 yuan, `_c` degrees Celsius, `_pct` per cent, `_s` seconds.
- Lists are cut into pages: pass `next_cursor` as `cursor`, everything else unchanged, until it is null.
- Callers show `Authorization: Bearer tf_<id>_<secret>`, a key of `tracefleet keys create`, or the cookie of a session
  that began at `/login`. `x-permission` of an operation names the roles that may, or is `public`.
- A parameter that a route does not know is refused, so a misspelt filter never shows everything.
- Every error is `application/problem+json` (RFC 9457); `type` leads to its explanation on this server.
"""
SECURITY: Final = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "`tf_<id>_<secret>`, as `tracefleet keys create` told it",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "of `POST /api/v1/sessions`, as the page `/login` asks for it; over TLS its name has the prefix "
        "`__Host-`",
    },
}


def install(app: FastAPI) -> None:
    """Let *app* serve this document. It is made once, at the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents


def describe(app: FastAPI) -> dict[str, Any]:
    """The document for the routes of *app*."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        tags=TAGS,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    mode: Literal["serialization"] = "serialization"
    _, records = models_json_schema([(stream.model, mode) for stream in TELEMETRY.values()], ref_template=_REF)
    document["components"]["schemas"] |= records["$defs"]
    document["components"]["securitySchemes"] = SECURITY
    document["security"] = [{name: []} for name in SECURITY]
    for declared in permissions.all_of(app):
        if declared.in_schema:
            for method in declared.methods:
                _declare(document["paths"][declared.path][method.lower()], declared)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "get":
                _tell(operation, problems.CROSS_SITE)
            if rates.are_counted(path):
                _tell(operation, problems.TOO_OFTEN)
            _mend(operation["responses"])
    return document


def _declare(operation: dict[str, Any], declared: permissions.Declared) -> None:
    """Say who may, and that others are refused."""
    operation["x-permission"] = declared.told
    if declared.roles is None:
        operation["security"] = []
        return
    for kind in (problems.FORBIDDEN, problems.PASSWORD_MUST_CHANGE):
        _tell(operation, kind)


def _tell(operation: dict[str, Any], kind: problems.Kind) -> None:
    """Say that *kind* may be the answer, besides what the operation says of its status itself."""
    answer = operation["responses"].setdefault(
        str(kind.status), {"description": "", "content": {"application/json": {"schema": _PROBLEM}}}
    )
    if f"`{kind.slug}`" not in answer["description"]:
        answer["description"] = f"{answer['description']}\n\n{problems.told(kind)}".strip()


def _mend(responses: dict[str, Any]) -> None:
    """Give each documented problem its own media type."""
    for status, response in responses.items():
        content = response.get("content", {})
        if int(status) >= _FIRST_ERROR and content.get("application/json", {}).get("schema") == _PROBLEM:
            response["content"] = {problems.MEDIA_TYPE: content["application/json"]}
