"""No path and no parameter gives a 500."""

import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

# Everything a client can put into an address, and what is known to be nasty more often.
NASTY = st.sampled_from(
    [
        "",
        "\x00",
        "a\x00b",
        "%",
        "_",
        "'; DROP TABLE devices --",
        "NaN",
        "-1",
        "99999999999999999999",
        "1e3",
        "٣",
        "true",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2026-11-23T08:00:00.1234567890Z",
        "2026-11-23T08:00:60Z",
        "2026-11-23T24:00:00Z",
        "{}",
        "../..",
        "é",
        "\ufeff",
        "\U0010ffff",
        "x" * 3000,
    ]
)
PIECES = st.one_of(
    NASTY,
    st.text(max_size=40),
    st.sampled_from(
        [
            "D-1",
            "coldchain",
            "status",
            "records",
            "latest",
            "payload",
            "history",
            "on",
            "9999-12-31",
            "1",
            "9223372036854775807",
        ]
    ),
)
NAMES = st.one_of(
    st.sampled_from(["site_no", "kind", "state", "region_code", "q", "cursor", "limit", "count"]),
    st.sampled_from(["from", "to", "order", "resolution", "stream"]),
    st.sampled_from(["reason", "device_no", "replayed", "since", "until"]),
    st.sampled_from(["party", "merchant_code", "gateway", "has_hold", "last_heard", "verification", "facets", "on"]),
    st.sampled_from(["acquired_before", "acquired_after", "owner_type", "model_no", "connectivity", "parent_code"]),
    st.sampled_from(["entity", "label", "actor", "operation"]),
    st.sampled_from(["presence", "check", "max_score", "excused", "scope", "open", "rule"]),
    st.text(max_size=10),
)
PATHS = st.one_of(
    st.sampled_from(
        [
            "/api/v1/devices",
            "/api/v1/sites",
            "/api/v1/merchants",
            "/api/v1/parties",
            "/api/v1/regions",
            "/api/v1/models",
            "/api/v1/code-profiles",
            "/api/v1/audit",
            "/api/v1/devices/D-1/history",
            "/api/v1/devices/D-1/on/2026-01-31",
            "/api/v1/dead-letters",
            "/api/v1/dead-letters/1/payload",
            "/api/v1/ingest/stats",
            "/api/v1/programmes",
            "/api/v1/programmes/P-1/progress",
            "/api/v1/site-lookups",
            "/api/v1/devices/D-1",
            "/api/v1/devices/D-1/health",
            "/api/v1/devices/D-1/health/days",
            "/api/v1/devices/D-1/explanation",
            "/api/v1/health",
            "/api/v1/outages",
            "/api/v1/presence-thresholds",
            "/api/v1/coldchain-bands",
            "/api/v1/rules",
            "/api/v1/rules/dormant",
            "/api/v1/rule-policy",
            "/api/v1/findings",
            "/api/v1/flags",
            "/",
            "/readyz",
        ]
        + [f"/api/v1/devices/D-1/records/{stream}" for stream in ("coldchain", "weighing", "presence")]
    ),
    st.tuples(
        st.sampled_from(["devices", "dead-letters", "sites", "merchants", "parties", "programmes"]),
        st.sampled_from(["devices", "dead-letters", "sites", "merchants", "parties", "rules", "findings", "outages"]),
        st.lists(PIECES, max_size=4),
    ).map(lambda told: f"/api/v1/{told[0]}/" + "/".join(quote(part, safe="", errors="replace") for part in told[1])),
)
QUERIES = st.lists(st.tuples(NAMES, PIECES), max_size=4)


@pytest.mark.usefixtures("one_device")
@settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=PATHS, query=QUERIES)
async def test_no_address_is_a_mistake_of_the_server(
    client: httpx.AsyncClient, path: str, query: list[tuple[str, str]]
) -> None:
    """200, or a problem that the caller can mend; /readyz tells of the ingest that does not run here."""
    answer = await client.get(f"{path}?{urlencode(query, errors='replace')}")
    assert answer.status_code in ({503} if path == "/readyz" else {200, 404, 422}), answer.text
    if answer.status_code in {404, 422}:
        assert answer.headers["content-type"] == "application/problem+json"


NASTY_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), PIECES, st.lists(st.integers(), max_size=3)
)
ORDERS = st.one_of(
    st.dictionaries(
        st.sampled_from(
            ["ids", "reason", "device_no", "stream", "everything", "limit", "cursor", "older_than_days", "apply"]
        ),
        NASTY_VALUES | st.sampled_from(["unknown_device", "coldchain", "D-1"]),
        max_size=4,
    ),
    NASTY_VALUES,
)


@settings(
    max_examples=200,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(route=st.sampled_from(["replay", "purge"]), order=ORDERS)
async def test_no_order_is_a_mistake_of_the_server(client: httpx.AsyncClient, route: str, order: object) -> None:
    """Whatever JSON it is: 200, or a problem that the caller can mend."""
    content = json.dumps(order).encode()
    answer = await client.post(
        f"/api/v1/dead-letters/{route}", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 422:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def admin(as_role: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The headers of somebody who may set the rules."""
    return as_role("fleet_admin")


DAYS = st.sampled_from(["0001-01-01", "2012-01-01", "2026-11-24", "2999-12-31", "9999-12-31"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "parameters": st.dictionaries(
            st.sampled_from(["days", "min_open_days", "kinds", "x"]), NASTY_VALUES, max_size=2
        ),
        "weight": NASTY_VALUES,
        "is_enabled": st.booleans(),
        "clear_after_days": NASTY_VALUES,
    },
)
JUDGED_ROUTES: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "outages": {"scope": st.sampled_from(["site", "platform"]), "site_no": st.none() | PIECES, "began_at": PIECES,
                "ended_at": st.none() | PIECES, "reason": PIECES},
    "outages/1/end": {"ended_at": st.none() | PIECES, "reason": PIECES},
    "outages/99999999999/dismiss": {"reason": PIECES},
    "rule-policy": {"effective_from": DAYS, "watch_score": NASTY_VALUES, "flag_score": NASTY_VALUES,
                    "site_share_pct": NASTY_VALUES, "reason": PIECES},
    "rules/dormant": {"effective_from": DAYS, "reason": PIECES, "parameters": st.just({"days": 400}),
                      "weight": st.none() | st.integers(0, 100), "name_zh": st.none() | PIECES},
    "rules/what-if": {"rules": st.dictionaries(st.sampled_from(["dormant", "x"]), CHANGES, max_size=2),
                      "begins_on": DAYS, "ends_on": DAYS, "step_days": st.sampled_from([1, 7, 400]),
                      "as_of": st.none() | DAYS},
}  # fmt: skip


@pytest.mark.usefixtures("one_device")
@settings(
    max_examples=200,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    told=st.one_of(
        *(st.tuples(st.just(route), st.fixed_dictionaries(of)) for route, of in sorted(JUDGED_ROUTES.items()))
    )
)
async def test_no_order_to_what_judges_is_a_mistake_of_the_server(
    client: httpx.AsyncClient, admin: dict[str, str], told: tuple[str, dict[str, object]]
) -> None:
    """Days of other ages and numbers without an end: done, or a problem that the caller can mend."""
    route, order = told
    answer = await client.post(f"/api/v1/{route}", content=json.dumps(order).encode(),
                               headers=admin | {"Content-Type": "application/json"})  # fmt: skip
    assert answer.status_code in {200, 404, 409, 422}, (route, order, answer.text)
