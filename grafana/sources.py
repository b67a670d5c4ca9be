"""The two data sources, by the uids that provisioning gives them, and the queries that go to them."""

from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

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
    """The builder of a query to PostgreSQL. A time series needs a column ``time``; text columns name its series."""

    sql: str
    format: Format = "table"
    ref_id: str = "A"

    def build(self) -> SqlDataquery:
        """The query."""
        return SqlDataquery(self.sql, self.format, self.ref_id)


def promql(expression: str, *, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """The builder of a query to Prometheus over the panel's range."""
    return (
        prometheus.Dataquery()
        .datasource(PROMETHEUS)
        .expr(expression)
        .legend_format(legend or "__auto")
        .range()
        .ref_id(ref_id)
    )
