"""Who may do what in the database: the roles of our processes, and their rights by area, in one place.

The roles themselves and their passwords are the administrator's (deploy/compose/roles.sql makes them). At its end
`tracefleet migrate`, which runs as the owner, gives each that exists exactly what stands here, and the way into the
database. Where there is no such role, as on one machine, the owner does it all.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, LiteralString

import structlog
from psycopg import Connection, sql

Role = Literal["tracefleet_ingest", "tracefleet_fleet", "tracefleet_api", "tracefleet_dashboards"]
Right = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]
Area = Literal["streams", "intake", "registry", "ledger", "record", "secrets", "judgement", "settings"]

# Every table is of one area; a test counts them.
AREAS: Final[Mapping[Area, tuple[LiteralString, ...]]] = {
    # What devices said, for good.
    "streams": ("weighing", "scan", "coldchain", "status", "presence", "conflicts"),
    # What ingest keeps of it besides, and of itself.
    "intake": (
        "boots", "dead_letter_payloads", "dead_letters", "deadly_messages", "device_presence", "ingest_stats", "latest",
        "presence_slots", "stale_days", "workers",
    ),
    # What ingest has to know of a device.
    "registry": ("devices", "kinds", "models"),
    # What people enter and decide, and the days that are due again when they declare an outage.
    "ledger": (
        "approval_tiers", "case_deadlines", "cases", "code_profiles", "coldchain_bands", "device_accesses",
        "device_holds", "device_placements", "device_responsibilities", "events", "merchants", "outages", "parties",
        "presence_thresholds", "programmes", "refused_accesses", "regions", "registration_gates", "rolled_days",
        "security_events", "site_closures", "site_lookups", "site_merchants", "sites",
    ),
    # Rows that are written once: nobody changes what was done, and by whom.
    "record": (
        "audit", "audit_seals", "case_documents", "case_steps", "device_transitions", "obsolescence_policies",
        "obsolescence_rules", "personal_readings", "tombstones",
    ),
    "secrets": (
        "api_key_uses", "api_keys", "audit_unsealed", "credential_uses", "credentials", "enrolment_failures",
        "enrolments", "key_fingerprints", "login_tries", "sessions", "user_passwords", "users",
    ),
    # What fleet concludes in its rounds; whoever disagrees opens a case or declares an outage.
    "judgement": (
        "coldchain_days", "device_days", "device_health", "device_verdicts", "evaluations", "findings", "flags",
        "health_days", "housekeeping_runs", "retained_clearings", "site_days", "weighing_days",
    ),
    "settings": ("policies", "retention", "schema_migrations"),
}  # fmt: skip

_READ: Final = ("SELECT",)
_WRITE: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ADD: Final = ("SELECT", "INSERT")
RIGHTS: Final[Mapping[Role, Mapping[Area, tuple[Right, ...]]]] = {
    "tracefleet_ingest": {"streams": _ADD, "intake": _WRITE, "registry": _READ, "settings": _READ},
    "tracefleet_fleet": {
        # Its housekeeping deletes what is past its time.
        "streams": ("SELECT", "DELETE"),
        "intake": _WRITE,
        "registry": _WRITE,
        "ledger": _WRITE,
        "record": _ADD,
        "secrets": _WRITE,
        "judgement": _WRITE,
        "settings": _READ,
    },
    "tracefleet_api": {
        "streams": _ADD,
        "intake": _WRITE,
        "registry": _WRITE,
        "ledger": _WRITE,
        "record": _ADD,
        "secrets": _WRITE,
        "judgement": _READ,
        "settings": _READ,
    },
    # Views alone, see below.
    "tracefleet_dashboards": {},
}
# Roll-ups and views belong to the owner, who reads the tables for whoever may read them.
_VIEWS: Final[Mapping[Role, LiteralString]] = {
    "tracefleet_fleet": "%",
    "tracefleet_api": "%",
    "tracefleet_dashboards": r"grafana\_%",
}

EXISTING: Final = """
SELECT rolname FROM pg_roles WHERE rolname = ANY(%(roles)s) AND NOT rolsuper AND rolname <> current_user
"""
VIEWS: Final = r"""
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('v', 'm') AND c.relname LIKE %(form)s
ORDER BY 1
"""
# Of a database that is closed to PUBLIC, as that of roles.sql and of the example for an operator.
MAY_LET_IN: Final = """
SELECT current_database(), has_database_privilege(current_database(), 'CONNECT WITH GRANT OPTION')
"""
LOCKED_OUT: Final = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%(roles)s) AND NOT has_database_privilege(oid, current_database(), 'CONNECT')
"""

log = structlog.get_logger()


def apply(connection: Connection[Any]) -> list[str]:
    """Give each role that exists what is its, and take from it whatever else it had; the roles that exist.

    Within a transaction of the owner: nobody sees a role without its rights. On TimescaleDB the rights of a table are
    those of its chunks, of those to come as well.
    """
    existing = {str(row[0]) for row in connection.execute(EXISTING, {"roles": list(RIGHTS)})}
    given = [role for role in RIGHTS if role in existing]
    for role in given:
        for statement in _statements(connection, role):
            connection.execute(statement)
    _let_in(connection, given)
    return list(given)


def _let_in(connection: Connection[Any], roles: list[Role]) -> None:
    """Let *roles* connect to this database; where that is not the owner's to give, say who cannot."""
    name, may_grant = connection.execute(MAY_LET_IN).fetchone() or ("", False)
    database = sql.Identifier(str(name))
    for role in roles if may_grant else []:
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role)))
    for (role,) in connection.execute(LOCKED_OUT, {"roles": roles}):
        remedy = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(str(role)))
        log.warning("a role may not connect to the database", role=role, remedy=remedy.as_string(connection))


def _statements(connection: Connection[Any], role: Role) -> Iterator[sql.Composed]:
    who = sql.Identifier(role)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(who)
    yield sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {}").format(who)
    for area, rights in RIGHTS[role].items():
        tables = sql.SQL(", ").join(map(sql.Identifier, AREAS[area]))
        yield sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(", ".join(rights)), tables, who)
    form = _VIEWS.get(role)
    views = [str(row[0]) for row in connection.execute(VIEWS, {"form": form})] if form is not None else []
    if views:
        yield sql.SQL("GRANT SELECT ON {} TO {}").format(sql.SQL(", ").join(map(sql.Identifier, views)), who)
    if any("INSERT" in rights for rights in RIGHTS[role].values()):
        yield sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(who)
