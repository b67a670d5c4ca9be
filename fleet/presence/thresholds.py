"""After how long without a word a device is late, and silent: ``presence_thresholds``, the one place that says so.

The most specific row counts: a model at a kind of site, a model, a kind of device at a kind of site, a kind of device.
Change them within :func:`fleet.acting.acting`.
"""

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError
from fleet.ledger.words import SITE_KINDS

# Of a kind that no row names [A]: two intervals of ten minutes, and a day.
DEFAULT_LATE_SECONDS: Final = 1200
DEFAULT_SILENT_SECONDS: Final = 86_400

# For the model `m` at the site `s`, to be joined LATERAL.
NEAREST: Final[LiteralString] = f"""(
    SELECT x.late_seconds, x.silent_seconds,
           (x.model_id IS NOT NULL)::int * 2 + (x.site_kind IS NOT NULL)::int AS weight
    FROM presence_thresholds AS x
    WHERE x.kind = m.kind AND (x.model_id IS NULL OR x.model_id = m.model_id)
      AND (x.site_kind IS NULL OR x.site_kind = s.kind)
    UNION ALL SELECT {DEFAULT_LATE_SECONDS}, {DEFAULT_SILENT_SECONDS}, -1
    ORDER BY weight DESC LIMIT 1
)"""  # noqa: S608 - constants of ours
# For every model at every kind of site: what is judged at once is not looked up device by device.
LIMITS: Final[LiteralString] = f"""
SELECT m.model_id, s.kind AS site_kind, n.late_seconds, n.silent_seconds
FROM models AS m CROSS JOIN (SELECT DISTINCT kind FROM sites) AS s CROSS JOIN LATERAL {NEAREST} AS n
"""  # noqa: S608 - as above

LIST: Final[LiteralString] = """
SELECT threshold_id, x.kind, m.model_no, x.site_kind, late_seconds, silent_seconds
FROM presence_thresholds AS x LEFT JOIN models AS m USING (model_id)
ORDER BY x.kind, m.model_no NULLS FIRST, x.site_kind NULLS FIRST
"""
MODEL: Final = "SELECT model_id, kind FROM models WHERE model_no = %(model_no)s"
KIND: Final = "SELECT kind FROM kinds WHERE kind = %(kind)s"
PUT: Final = """
INSERT INTO presence_thresholds AS x (kind, model_id, site_kind, late_seconds, silent_seconds)
VALUES (%(kind)s, %(model_id)s, %(site_kind)s, %(late_seconds)s, %(silent_seconds)s)
ON CONFLICT (kind, model_id, site_kind) DO UPDATE
SET late_seconds = excluded.late_seconds, silent_seconds = excluded.silent_seconds, updated_at = now()
WHERE (x.late_seconds, x.silent_seconds) <> (excluded.late_seconds, excluded.silent_seconds)
"""
REMOVE: Final = "DELETE FROM presence_thresholds WHERE threshold_id = %(threshold_id)s RETURNING threshold_id"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Of a kind of device; of one model of it, or at one kind of site, where those are named."""

    threshold_id: int
    kind: str
    model_no: str | None
    site_kind: str | None
    late_seconds: int
    silent_seconds: int


def thresholds(connection: Connection[Any]) -> list[Threshold]:
    """All, by kind, the general before the particular."""
    with connection.cursor(row_factory=class_row(Threshold)) as cursor:
        return cursor.execute(LIST.encode()).fetchall()


def put(
    connection: Connection[Any],
    kind: str,
    *,
    late_seconds: int,
    silent_seconds: int,
    model_no: str | None = None,
    site_kind: str | None = None,
) -> None:
    """Set what counts for a kind, a model of it, at all sites or at a kind of site.

    Raises UnknownEntryError; RefusedError for a model of another kind, or a silence that is no longer than lateness.
    """
    if connection.execute(KIND, {"kind": kind}).fetchone() is None:
        raise UnknownEntryError(f"there is no kind of device {kind!r}.")
    if site_kind is not None and site_kind not in SITE_KINDS:
        raise UnknownEntryError(f"there is no kind of site {site_kind!r}; there are {', '.join(SITE_KINDS)}.")
    model_id, kind_of_model = None, kind
    if model_no is not None:
        found = connection.execute(MODEL, {"model_no": model_no}).fetchone()
        if found is None:
            raise UnknownEntryError(f"no model has the number {model_no!r}.")
        model_id, kind_of_model = found
    if kind_of_model != kind:
        raise RefusedError(f"{model_no} is a {kind_of_model}, not a {kind}: name its own kind.")
    if not 0 < late_seconds < silent_seconds:
        raise RefusedError(
            "a device is late before it is silent: give silent_seconds above late_seconds, both above 0."
        )
    row = {"kind": kind, "model_id": model_id, "site_kind": site_kind}
    connection.execute(PUT, row | {"late_seconds": late_seconds, "silent_seconds": silent_seconds})


def remove(connection: Connection[Any], threshold_id: int) -> None:
    """Let the next general row count again. Raises UnknownEntryError."""
    if connection.execute(REMOVE, {"threshold_id": threshold_id}).fetchone() is None:
        raise UnknownEntryError(f"no threshold has the number {threshold_id}.")
