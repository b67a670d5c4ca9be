"""``tracefleet devices credential`` and its siblings, as an operator types them."""

import csv
import json
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from fleet.errors import RefusedError, UnknownEntryError
from fleet.identity.secret import code_digest, digest
from store.errors import TracefleetError
from tests.unit.test_identity_certificate import PEM, SHA256

Connection = psycopg.Connection[tuple[Any, ...]]
Register = Callable[..., None]
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``tracefleet devices`` on the test's database, beside the test's own files."""
    monkeypatch.setenv("TRACEFLEET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACEFLEET_BROKER_URL", "mqtt://ingest:hidden@broker.example:1884")
    monkeypatch.setenv("TRACEFLEET_PUBLIC_URL", "https://fleet.example/base")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(app, ["devices", *arguments])
        if isinstance(result.exception, TracefleetError):
            raise result.exception
        return result

    return invoke


def _listed(run: Run, device_no: str = "D-1") -> list[dict[str, Any]]:
    return list(json.loads(run("credentials", device_no, "--json").stdout))


def test_password_is_printed_once_with_a_command_that_speaks(
    run: Run, register: Register, connection: Connection
) -> None:
    """Ready to be run; the broker's own password is not in it, and the list has no password at all."""
    register("D-1")
    made = run("credential", "D-1", "--note", "bench", "--expires", "365d")
    assert made.exit_code == 0
    [line] = [line for line in made.stdout.splitlines() if "mosquitto_pub" in line]
    words = shlex.split(line)
    told = {
        words[at]: words[at + 1] for at, word in enumerate(words) if word in {"-h", "-p", "-u", "-P", "-i", "-t", "-m"}
    }
    assert [told[name] for name in ("-h", "-p", "-u", "-i")] == ["broker.example", "1884", "D-1", "D-1"]
    assert json.loads(told["-m"])["records"][0]["uptime_s"] == 1
    assert told["-t"] == "tracefleet/v1/D-1/status"
    assert connection.execute("SELECT secret_sha256 FROM credentials").fetchone() == (digest(told["-P"]),)
    assert "hidden" not in made.output
    shown = run("credentials", "D-1")
    assert "bench" in shown.stdout
    assert told["-P"] not in shown.output + json.dumps(_listed(run))


def test_password_is_one_json_object_when_asked(run: Run, register: Register) -> None:
    """For scripts: the login and the topics."""
    register("D-1")
    told = json.loads(run("credential", "D-1", "--json").stdout)
    assert (told["username"], told["client_id"], told["expires_at"]) == ("D-1", "D-1", None)
    assert told["topics"]["subscribe"] == ["tracefleet/v1/D-1/command"]


def test_rotation_lets_the_old_ones_end(run: Run, register: Register) -> None:
    """After 24 h, or as told; --overlap alone is a mistake that is told."""
    register("D-1")
    for arguments in ((), ("--rotate",), ("--rotate", "--overlap", "0")):
        assert run("credential", "D-1", *arguments).exit_code == 0
    third, second, first = _listed(run)
    assert (third["state"], second["state"], first["state"]) == ("good", "revoked", "revoked")
    assert first["expires_at"] is not None
    with pytest.raises(TracefleetError, match="--overlap goes with --rotate"):
        run("credential", "D-1", "--overlap", "1h")
    assert run("credential", "D-1", "--rotate", "--overlap", "soon").exit_code == 2


def test_revoking_ends_one_or_all(run: Run, register: Register, connection: Connection) -> None:
    """With a reason, which has to be given; a second time says so."""
    register("D-1")
    first, _ = (json.loads(run("credential", "D-1", "--json").stdout)["credential_id"] for _ in range(2))
    assert run("revoke", "D-1").exit_code == 2
    assert f"Revoked of D-1: {first}." in run("revoke", "D-1", "--credential", str(first), "--reason", "stolen").stdout
    assert [one["state"] for one in _listed(run)] == ["good", "revoked"]
    run("revoke", "D-1", "--reason", "moved")
    assert "nothing left to revoke" in run("revoke", "D-1", "--reason", "again").stdout
    reasons = "SELECT reason FROM audit WHERE entity = 'credentials' AND action = 'update' ORDER BY audit_id"
    assert connection.execute(reasons).fetchall() == [("stolen",), ("moved",)]
    with pytest.raises(UnknownEntryError):
        run("revoke", "D-1", "--credential", "99", "--reason", "x")


def test_certificate_is_added_from_a_file(run: Run, register: Register) -> None:
    """Known by its digest; a file that is none, or is not there, is told in a sentence."""
    register("D-1")
    Path("device.pem").write_text(PEM)
    assert SHA256.hex() in run("certificate", "D-1", "device.pem", "--note", "2026").stdout
    [listed] = _listed(run)
    assert (listed["kind"], listed["certificate_sha256"], listed["note"]) == ("certificate", SHA256.hex(), "2026")
    Path("other.pem").write_text("nothing")
    with pytest.raises(RefusedError, match="found 0"):
        run("certificate", "D-1", "other.pem")
    with pytest.raises(TracefleetError, match=r"missing\.pem cannot be read"):
        run("certificate", "D-1", "missing.pem")


def test_list_says_what_to_do_when_there_is_none(run: Run, register: Register) -> None:
    """And an unknown number is no empty list."""
    register("D-1")
    assert "tracefleet devices credential D-1" in run("credentials", "D-1").stdout
    with pytest.raises(UnknownEntryError, match="no device D-9"):
        run("credentials", "D-9")


def test_many_passwords_are_written_to_a_private_file_once(
    run: Run, register: Register, connection: Connection
) -> None:
    """Those that have none and are not retired; the next run finds none left, and leaves no file behind."""
    for number in ("D-1", "D-2", "D-3", "D-4"):
        register(number)
    connection.execute("UPDATE devices SET state = 'lost' WHERE device_no = 'D-4'")
    run("credential", "D-3")
    made = run("credentials-issue", "--site", "S", "--kind", "logger", "--out", "all.csv", "--expires", "30d")
    assert "2 passwords are in all.csv" in made.stdout
    assert stat.S_IMODE(Path("all.csv").stat().st_mode) == 0o600
    with Path("all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["device_no"], row["username"], row["client_id"]) for row in rows] == [
        (n, n, n) for n in ("D-1", "D-2")
    ]
    kept = connection.execute(
        "SELECT secret_sha256 FROM credentials WHERE expires_at IS NOT NULL ORDER BY 1"
    ).fetchall()
    assert kept == sorted((digest(row["password"]),) for row in rows)
    assert not [row for row in rows if row["password"] in made.output]
    with pytest.raises(TracefleetError, match="not overwritten"):
        run("credentials-issue", "--all", "--out", "all.csv")
    with pytest.raises(RefusedError, match="No device needs one"):
        run("credentials-issue", "--all", "--out", "more.csv")
    assert not Path("more.csv").exists()
    assert "3 passwords" in run("credentials-issue", "--all", "--again", "--out", "more.csv").stdout


def test_many_passwords_are_refused_when_it_is_unclear_whose(run: Run, register: Register) -> None:
    """Neither all nor a site, both, or a site and a kind that are none; nothing is written."""
    register("D-1")
    for arguments, sentence in (
        ((), "Say which"),
        (("--all", "--site", "S"), "Say which"),
        (("--site", "T"), "no site T"),
        (("--all", "--kind", "lamp"), "no kind lamp"),
    ):
        with pytest.raises(TracefleetError, match=sentence):
            run("credentials-issue", "--out", "x.csv", *arguments)
    with pytest.raises(TracefleetError, match="cannot be written"):
        run("credentials-issue", "--all", "--out", "no-folder/x.csv")
    assert list(Path().glob("**/*.csv")) == []


def test_codes_are_made_for_installers(run: Run, register: Register, connection: Connection) -> None:
    """A line each; with --qr a code that leads to the public address, as text that a terminal can show."""
    register("D-1")
    register("D-2")
    told = json.loads(run("enrol", "D-1", "D-2", "--valid", "2h", "--json").stdout)
    address = urlsplit(told[1]["url"])
    assert (address.netloc, address.path) == ("fleet.example", "/base/enrol")
    assert parse_qs(address.fragment) == {"device_no": ["D-2"], "code": [told[1]["code"]]}
    shown = run("enrol", "D-1", "--qr")
    assert "█" in shown.stdout
    [code] = connection.execute(
        "SELECT code_sha256 FROM enrolments JOIN devices USING (device_id)"
        " WHERE device_no = 'D-1' AND voided_at IS NULL"
    ).fetchall()
    assert code == (code_digest(shown.stdout.split()[1]),)
    assert "telephone" not in shown.stderr
    with pytest.raises(UnknownEntryError):
        run("enrol", "D-1", "D-9")


def test_codes_can_end_what_is_there(run: Run, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a theft; and an address that no telephone reaches is told."""
    register("D-1")
    run("credential", "D-1")
    monkeypatch.setenv("TRACEFLEET_PUBLIC_URL", "http://127.0.0.1:8000")
    shown = run("enrol", "D-1", "--revoke-old", "--qr")
    assert "set TRACEFLEET_PUBLIC_URL" in shown.stderr
    assert [one["state"] for one in _listed(run)] == ["revoked"]


@pytest.mark.usefixtures("run")
def test_commands_of_the_handbook_run(register: Register) -> None:
    """Every command of deploy/BROKERS.md, in its order."""
    register("TD-410100-SC-000001-0", "trace_scale")
    text = (Path(__file__).parents[2] / "deploy" / "BROKERS.md").read_text(encoding="utf-8")
    commands = [line.partition("#")[0] for line in text.splitlines() if line.startswith("tracefleet ")]
    assert len(commands) == 6
    for command in commands:
        # `run` has set up where they run; not all are of `devices`.
        assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0, command
