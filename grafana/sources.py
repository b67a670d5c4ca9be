"""The two data sources, by the uids that provisioning gives them, and the queries that go to them."""

from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from grafana.macros import expanded
from grafana.words import Say

PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="tracefleet-prometheus")
TIMESCALE: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="tracefleet-timescale")

Format = Literal["table", "time_series"]


# cog's Dataquery holds no fields: each data source brings its own class, and the SDK has none for SQL.
@dataclass(frozen=True, slots=True)
class SqlDataquery(Dataquery):
    """One query to PostgreSQL, as the panel's JSON holds it."""

    sql: str
    format: Format
    ref_id: str

    def to_json(self) -> dict[str, object]:
        """The object that Grafana's PostgreSQL data source reads."""
        return {
            "datasource": TIMESCALE,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


@dataclass(frozen=True, slots=True)
class SqlQuery(Builder[Dataquery]):
    """The builder of a query to PostgreSQL, with Grafana's macros alone in it."""

    sql: str
    format: Format
    ref_id: str

    def build(self) -> SqlDataquery:
        """The query."""
        return SqlDataquery(self.sql, self.format, self.ref_id)


def sql(text: str, say: Say, *, ref_id: str = "A") -> SqlQuery:
    """A query for a table or bars, in the short form of grafana.macros."""
    return SqlQuery(expanded(text, say), "table", ref_id)


def sql_series(text: str, say: Say, *, ref_id: str = "A") -> SqlQuery:
    """A query for lines: it needs a column ``time``; a column ``metric`` names the series of a single value."""
    return SqlQuery(expanded(text, say), "time_series", ref_id)


def promql(expression: str, *, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """The builder of a query to Prometheus over the panel's range."""
    return _promql(expression, ref_id).legend_format(legend or "__auto").range()


def promql_now(expression: str, *, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """The same at the end of the range alone: for one number, or bars."""
    return _promql(expression, ref_id).legend_format(legend or "__auto").instant()


def _promql(expression: str, ref_id: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expression).ref_id(ref_id)
