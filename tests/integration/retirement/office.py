"""A ledger, and those who carry devices out of it: li proposes, wang appraises, zhao approves, chen executes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.retirement.cases import act, carry_out
from fleet.retirement.opening import open_case
from fleet.retirement.order import Order, Paper
from fleet.retirement.report import Changed, Report
from fleet.retirement.states import PaperKind, StepName

KINDS = {"ACS-15": "trace_scale", "QM-1": "kiosk", "TH-1": "logger", "SC-1": "scanner"}
WHO: dict[str, str] = {"appraise": "wang", "approve": "zhao", "reject": "zhao", "execute": "chen", "dispose": "chen"}
PHOTO = "a" * 64


def paper(kind: PaperKind, name: str = "") -> Paper:
    """A paper of a kind; another name is another paper."""
    name = name or f"{kind}.pdf"
    return Paper(kind, name, hashlib.sha256(name.encode()).hexdigest(), 7)


# What each step of the long way is told, when all goes well.
TOLD: dict[str, dict[str, Any]] = {
    "propose": {"reason": "称重不准"},
    "appraise": {"appraisal": "no_use_left", "papers": (paper("appraisal"),)},
    "approve": {"document": "批复〔2026〕7号", "papers": (paper("value_evidence"), paper("approval"))},
    "execute": {},
    "silence": {"silence": {"attempts": 2}, "silent_since": datetime(2026, 11, 25, 1, tzinfo=UTC)},
    "recover": {"recovered_place": "运维仓库A3", "photo_sha256": PHOTO},
    "wipe": {},
    "dispose": {
        "method": "scrap",
        "recipient": "绿源再生资源",
        "recycler_licence": "豫商再生〔2025〕12号",
        "receipt_no": "HS-0001",
        "papers": (paper("receipt"),),
    },
    "write_off": {"document": "核销〔2026〕3号"},
    "archive": {},
}
STATE_WAY: tuple[StepName, ...] = (
    "propose",
    "appraise",
    "approve",
    "execute",
    "silence",
    "recover",
    "wipe",
    "dispose",
    "write_off",
    "archive",
)
OWNER_WAY: tuple[StepName, ...] = ("propose", "approve", "execute", "silence", "wipe", "dispose", "archive")


@dataclass
class Office:
    """The ledger under test, and whoever works at it."""

    connection: psycopg.Connection[Any]
    keys: Keys
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def device(self, device_no: str, model_no: str = "ACS-15", /, **more: object) -> int:
        """The id of a new device, of the government and in service unless told otherwise."""
        columns = {"owner_type": "government", "state": "in_service", "original_value_fen": 300_000} | more
        row = self.connection.execute(
            f"INSERT INTO devices (device_no, model_id, site_id, {', '.join(columns)})"  # noqa: S608
            f" SELECT %s, model_id, site_id{', %s' * len(columns)} FROM models, sites WHERE model_no = %s"
            " AND site_no = 'S1' RETURNING device_id",
            (device_no, *columns.values(), model_no),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def flag(self, device_no: str, rule: str = "dormant", *, mandatory: bool = False) -> None:
        """A finding of a rule, and the flag for it."""
        self.connection.execute(
            "INSERT INTO obsolescence_rules (rule, version, effective_from, name_zh, name_en, text_zh, text_en, weight)"
            " VALUES (%s, 99, '2020-01-01', '规', 'rule', '文', 'text', 60) ON CONFLICT DO NOTHING",
            (rule,),
        )
        row = self.connection.execute(
            "INSERT INTO findings (device_id, rule, rule_version, weight, is_mandatory, found_on, numbers, query,"
            " sentence_zh, sentence_en, opened_at)"
            " SELECT device_id, %s, 99, 60, %s, %s, %s, 'SELECT 1', '句', 'said', %s"
            " FROM devices WHERE device_no = %s RETURNING finding_id, device_id",
            (rule, mandatory, self.now.date(), Jsonb({"days": 61}), self.now, device_no),
        ).fetchone()
        assert row is not None
        self.connection.execute(
            "INSERT INTO flags (device_id, flagged_on, flagged_at, policy_version, score, findings, sentence_zh,"
            " sentence_en) VALUES (%s, %s, %s, 1, 60, %s, '句', 'said')",
            (row[1], self.now.date(), self.now, [row[0]]),
        )

    def opened(self, device_no: str, who: str = "li", **more: Any) -> str:
        """The number of a new case."""
        with acting(self.connection, Actor(who, "test"), keys=self.keys):
            told = {"reason": "现场核实不再使用"} | more
            return open_case(self.connection, device_no, now=self.now, **told).case_no

    def act(self, step: StepName, case_no: str, /, who: str | None = None, **fields: Any) -> Changed:
        """Take a step, as the one whose it is and told what it needs, unless told otherwise."""
        with acting(self.connection, Actor(who or WHO.get(step, "li"), "test"), keys=self.keys):
            order = Order(case_no=case_no, **TOLD.get(step, {}) | fields)
            return act(self.connection, step, order, now=self.now)

    def carry(self, case_no: str, *steps: StepName, **fields: Any) -> str:
        """Take *steps* one after the other, each told what it needs; the number again."""
        for step in steps:
            self.act(step, case_no, **fields)
        return case_no

    def until(self, case_no: str, last: StepName, way: Sequence[StepName] = STATE_WAY) -> str:
        """Take all steps of a way up to *last*; the number again."""
        return self.carry(case_no, *way[: way.index(last) + 1])

    def owned(self, case_no: str, last: StepName, **dispose: Any) -> str:
        """The same for property of others."""
        for step in OWNER_WAY[: OWNER_WAY.index(last) + 1]:
            told: dict[str, Any] = {"approve": {"papers": (paper("consent"),)}}.get(step, {})
            if step == "dispose":
                told = {"method": "returned", "recipient": "张记", "papers": ()} | dispose
            self.act(step, case_no, **told)
        return case_no

    def bulk(self, step: StepName, *orders: Order, apply: bool = True, who: str | None = None) -> Report:
        """Many at once."""
        actor = who or WHO.get(step, "li")
        with acting(self.connection, Actor(actor, "test"), keys=self.keys):
            return carry_out(self.connection, step, orders, now=self.now, apply=apply, actor=actor)

    def case(self, case_no: str) -> dict[str, Any]:
        """The row of a case."""
        return self.row("SELECT * FROM cases WHERE case_no = %s", case_no)

    def of(self, device_no: str) -> dict[str, Any]:
        """The row of a device."""
        return self.row("SELECT * FROM devices WHERE device_no = %s", device_no)

    def row(self, query: str, *values: object) -> dict[str, Any]:
        """The only row of a query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            [row] = cursor.execute(query.encode(), values).fetchall()
        return row

    def column(self, query: str, *values: object) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.connection.execute(query.encode(), values)]

    def later(self, days: int) -> None:
        """Let days go by."""
        self.now += timedelta(days=days)

    @property
    def today(self) -> date:
        """The day in Asia/Shanghai."""
        return (self.now + timedelta(hours=8)).date()
