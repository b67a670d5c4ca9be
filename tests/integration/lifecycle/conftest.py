"""A small ledger, and an administrator who moves its devices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from fleet.acting import Actor, acting
from fleet.keys import Keys
from fleet.lifecycle.move import Move, MoveKind
from fleet.lifecycle.moves import carry_out
from fleet.lifecycle.report import Report

KINDS = {"ACS-15": "trace_scale", "QM-1": "kiosk", "SC-1": "scanner", "TH-1": "logger", "GW-1": "gateway"}


@dataclass
class Book:
    """The ledger under test."""

    connection: psycopg.Connection[Any]
    keys: Keys

    def device(self, device_no: str, model_no: str = "ACS-15", site_no: str = "S1", /, **more: object) -> int:
        """The id of a new device."""
        names = ", ".join(more)
        row = self.connection.execute(
            f"INSERT INTO devices (device_no, model_id, site_id{', ' if more else ''}{names})"  # noqa: S608
            f" SELECT %s, model_id, site_id{', %s' * len(more)} FROM models, sites WHERE model_no = %s AND site_no = %s"
            " RETURNING device_id",
            (device_no, *more.values(), model_no, site_no),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def move(self, kind: MoveKind, *moves: Move, apply: bool = True, who: str = "li") -> Report:
        """Make moves as an administrator."""
        with acting(self.connection, Actor(who, "test"), keys=self.keys):
            return carry_out(self.connection, kind, moves, apply=apply)

    def state(self, device_no: str) -> str:
        """The state of a device."""
        return str(self.of(device_no)["state"])

    def of(self, device_no: str) -> dict[str, Any]:
        """The row of a device, with numbers instead of keys."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(
                "SELECT d.*, s.site_no, c.merchant_code, g.device_no AS gateway_no, p.device_no AS predecessor_no"
                " FROM devices d JOIN sites s USING (site_id) LEFT JOIN merchants c USING (merchant_id)"
                " LEFT JOIN devices g ON g.device_id = d.gateway_id"
                " LEFT JOIN devices p ON p.device_id = d.predecessor_id WHERE d.device_no = %s",
                (device_no,),
            ).fetchone()
        assert row is not None
        return row

    def steps(self, device_no: str) -> list[tuple[Any, ...]]:
        """The steps on record."""
        return self.connection.execute(
            "SELECT from_state, to_state, actor, reason, document, cost_fen FROM device_transitions"
            " JOIN devices USING (device_id) WHERE device_no = %s ORDER BY transition_id",
            (device_no,),
        ).fetchall()

    def duties(self, device_no: str) -> dict[str, str]:
        """Which party has which duty."""
        return dict(
            self.connection.execute(
                "SELECT duty, party_no FROM device_responsibilities JOIN devices USING (device_id)"
                " JOIN parties USING (party_id) WHERE device_no = %s",
                (device_no,),
            ).fetchall()
        )

    def duty(self, device_no: str, **parties: str) -> None:
        """Give duties of a device to parties."""
        for duty, party_no in parties.items():
            self.connection.execute(
                "INSERT INTO device_responsibilities (device_id, duty, party_id)"
                " SELECT device_id, %s, party_id FROM devices, parties WHERE device_no = %s AND party_no = %s",
                (duty, device_no, party_no),
            )

    def count(self, query: str) -> int:
        """The only number of a query."""
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The keys of the installation."""
    return Keys(tmp_path / "tracefleet.key")


@pytest.fixture
def book(connection: psycopg.Connection[Any], keys: Keys) -> Book:
    """Two markets and a closed one, two merchants, parties, models of five kinds; no device yet."""
    for site_no, status in (("S1", "active"), ("S2", "active"), ("S9", "cancelled")):
        connection.execute(
            "INSERT INTO sites (site_no, name_zh, name_en, kind, region_code, status)"
            " VALUES (%s, '市场', 'Market', 'wet_market', '410100', %s)",
            (site_no, status),
        )
    connection.execute("INSERT INTO merchants (merchant_code, name) VALUES ('M1', '张记'), ('M2', '李记')")
    for model_no, kind in KINDS.items():
        connection.execute(
            "INSERT INTO models (model_no, kind, vendor) VALUES (%s, %s, 'Yuheng')",
            (model_no, kind),
        )
    connection.execute(
        "INSERT INTO parties (party_no, name, kind, site_id, merchant_id) VALUES"
        " ('GOV', '商务局', 'government', NULL, NULL), ('OPS', '运维', 'operator', NULL, NULL),"
        " ('P-S1', '市场', 'site', (SELECT site_id FROM sites WHERE site_no = 'S1'), NULL),"
        " ('P-M1', '张记', 'merchant', NULL, (SELECT merchant_id FROM merchants WHERE merchant_code = 'M1'))"
    )
    return Book(connection, keys)
