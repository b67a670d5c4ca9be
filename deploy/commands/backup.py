"""``tracefleet backup create|list|verify|restore``: of the database that ``tracefleet up`` runs.

A PostgreSQL of one's own is backed up by the same scripts, or by the tools its operators know: deploy/BACKUP.md.
"""

from datetime import datetime
from typing import Annotated, Any, Final

import orjson
import typer

from deploy.commands.clock import clock
from deploy.commands.tables import print_table, table_of
from fleet.business_day import SHANGHAI
from store.errors import TracefleetError
from store.settings import load

MEGABYTE: Final = 1_000_000

app = typer.Typer(no_args_is_help=True, help="Backups of the database that `tracefleet up` runs.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="As it was then: `2026-11-28T19:00:00`, China time, or with an offset. Else all."
    ),
]


@app.command(epilog="Example: TRACEFLEET_BACKUP_DIR=/mnt/backups tracefleet backup create")
def create(
    keep: Annotated[int, typer.Option(min=1, help="Base backups that stay; older ones go, with their log.")] = 3,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Copy the key file, too: who has both can read and forge everything.")
    ] = False,
) -> None:
    """Make a base backup while `tracefleet up` runs, and check every file of it. Once a night is a good habit."""
    from deploy.backup.folder import BackupFolder  # noqa: PLC0415 - heavy: only when it runs
    from deploy.backup.scripts import make_base  # noqa: PLC0415 - with it
    from deploy.embedded import postgres  # noqa: PLC0415 - with it

    settings = load()
    backups = BackupFolder.of(settings)
    if postgres.holder(settings.data_dir) is None:
        raise TracefleetError(
            f"no `tracefleet up` runs on {settings.data_dir.absolute()}: a base backup is made while it runs. "
            f"· 请先启动 `tracefleet up`，再做基础备份。"
        )
    make_base(backups, postgres.known(settings.data_dir), keep=keep)
    backups.keep_files(settings, with_key=with_key)
    newest = backups.bases()[-1]
    typer.echo(f"{backups.path / 'base' / newest.name}: {newest.bytes / MEGABYTE:.0f} MB, every file checked · 已校验")
    if not with_key:
        key_file = settings.key_file or settings.data_dir / "tracefleet.key"
        typer.echo(f"Keep {key_file} elsewhere, too: it is not in the backup. · 密钥文件不在备份中，请另行保管。")


@app.command("list", epilog="Example: tracefleet backup list")
def list_(as_json: AsJson = False) -> None:
    """List the base backups, and how far the log reaches beyond them."""
    from deploy.backup.folder import BackupFolder  # noqa: PLC0415 - heavy: only when it runs

    backups = BackupFolder.of(load())
    bases, written_at = backups.bases(), backups.log_written_at()
    if as_json:
        told = {"bases": bases, "log_bytes": backups.log_bytes(), "log_written_at": written_at}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    table = table_of("complete", "MB", "folder")
    for base in bases:
        table.add_row(clock(base.complete_at), f"{base.bytes / MEGABYTE:.0f}", base.name)
    print_table(table, none="There is no base backup yet. 还没有基础备份。")
    reach = f"last written {clock(written_at)}" if written_at is not None else "nothing was streamed yet"
    typer.echo(f"Log · 日志: {backups.log_bytes() / MEGABYTE:.0f} MB, {reach}")


@app.command(epilog="Example: tracefleet backup verify")
def verify(until: Until = None, as_json: AsJson = False) -> None:
    """Restore into a folder that is thrown away, and verify the audit of what comes out. `tracefleet up` may run.

    Exit status 1 when the audit is not whole.
    """
    from deploy.backup.folder import BackupFolder  # noqa: PLC0415 - heavy: only when it runs
    from deploy.backup.restoration import rehearse  # noqa: PLC0415 - with it

    settings = load()
    found = rehearse(settings, BackupFolder.of(settings), _moment(until))
    _tell(found, "A restore works", "可以恢复", as_json=as_json)


@app.command(epilog="Example: tracefleet backup restore --until 2026-11-28T19:00:00")
def restore(until: Until = None, as_json: AsJson = False) -> None:
    """Bring the database back: the newest base backup and the log after it, to its end or to a moment.

    `tracefleet up` must be stopped. The database that is there is moved aside, not deleted; the broker's store, keys
    and anchors stay: what the broker holds is stored at the next start. Exit status 1 when the audit is not whole.
    """
    from deploy.backup import restoration  # noqa: PLC0415 - heavy: only when it runs
    from deploy.backup.folder import BackupFolder  # noqa: PLC0415 - with it
    from deploy.embedded import data_dir_lock, room  # noqa: PLC0415 - with it

    settings = load()
    backups, moment = BackupFolder.of(settings), _moment(until)
    with data_dir_lock.hold(settings.data_dir.resolve()):
        room.require_unheld(settings.data_dir)
        found, aside = restoration.restore(settings, backups, moment)
    if aside is not None and not as_json:
        typer.echo(
            f"The database before is in {aside}; remove it when nobody misses anything. · 原数据库已移至该目录。"
        )
    _tell(found, "Restored", "已恢复", as_json=as_json)


def _tell(found: Any, what: str, what_zh: str, *, as_json: bool) -> None:  # noqa: ANN401 - of a module that is imported late
    verdict = found.verdict
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        reached = clock(found.last_commit_at) if found.last_commit_at is not None else "the end of the base backup"
        typer.echo(f"{what}: the last commit is of {reached}; {found.seconds:.1f} s · {what_zh}")
        if verdict is None:
            typer.echo(f"The audit could not be verified · 审计无法核验: {found.unverified}")
        else:
            for finding in verdict.findings:
                typer.echo(f"{finding.kind}: {finding.sentence}")
            whole = "The audit is whole · 审计完整" if verdict.is_whole else "The audit is NOT whole · 审计不完整"
            typer.echo(f"{whole}: {verdict.sealed} changes fit their seals.")
    if verdict is None or not verdict.is_whole:
        raise typer.Exit(1)


def _moment(until: str | None) -> datetime | None:
    if until is None:
        return None
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise typer.BadParameter(
            f"{until!r} is no time such as 2026-11-28T19:00:00 or 2026-11-28T11:00:00Z · 时间格式不对",
            param_hint="--until",
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=SHANGHAI)
