"""The folder of backups: base backups by the time from which on they are good, the streamed log, and a few files.

base/20261128T110000Z/   a whole cluster, restored to any moment after its name
wal/00000001/            the log of a timeline; a restore begins another one
files/                   what a database alone does not hold
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from deploy.embedded import postgres
from deploy.embedded.system_user import make_passable, server_user
from fleet.audit import anchors
from fleet.keys import FILE_NAME as KEY_FILE
from store.errors import SettingsError, TracefleetError
from store.settings import PREFIX, Settings

TIME: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Base:
    """A base backup: restored, the database may be as it was at any moment from *complete_at* on."""

    name: str
    complete_at: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """A folder, absolute; nothing is made before something is written."""

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """That of the settings. Raises SettingsError when none is set."""
        if settings.backup_dir is None:
            raise SettingsError(
                f"{PREFIX}BACKUP_DIR is not set: it says where backups are, best on another machine's disk. "
                f"Set it for `tracefleet up`, too: then it streams the database's log there. "
                f"A PostgreSQL of your own is backed up as deploy/BACKUP.md says. "
                f"· 未设置 {PREFIX}BACKUP_DIR：请设为备份目录（最好在另一台机器上），`tracefleet up` 也用同一设置。"
            )
        return cls(settings.backup_dir.resolve())

    @property
    def files(self) -> Path:
        """Where what belongs to no database is."""
        return self.path / "files"

    def prepare(self) -> None:
        """Make it, for the user that the server runs as alone. Raises TracefleetError when that cannot be."""
        user = server_user()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if user is not None:
                make_passable(self.path)
                shutil.chown(self.path, user)
            self.path.chmod(0o700)
        except OSError as error:
            raise TracefleetError(
                f"the backup folder {self.path} cannot be used: {error.strerror}. Mend it, or set {PREFIX}BACKUP_DIR. "
                f"· 备份目录不可用，请修复或更改 {PREFIX}BACKUP_DIR。"
            ) from error

    def bases(self) -> list[Base]:
        """The base backups, the oldest first."""
        return sorted(self._bases(), key=lambda base: base.complete_at)

    def _bases(self) -> Iterator[Base]:
        for folder in self.path.glob("base/[0-9]*Z"):
            complete_at = datetime.strptime(folder.name, TIME).replace(tzinfo=UTC)
            yield Base(folder.name, complete_at, _bytes_below(folder))

    def log_bytes(self) -> int:
        """Of the streamed log."""
        return _bytes_below(self.path / "wal")

    def log_written_at(self) -> datetime | None:
        """When something was last streamed; None before anything was."""
        newest = max((file.stat().st_mtime for file in self.path.glob("wal/*/*")), default=None)
        return None if newest is None else datetime.fromtimestamp(newest, UTC)

    def keep_files(self, settings: Settings, *, with_key: bool) -> None:
        """Copy what the database needs and does not hold: its password, the audit's anchors; the key if asked to."""
        self.files.mkdir(mode=0o700, exist_ok=True)
        wanted = [settings.data_dir / postgres.ACCESS_FILE, anchors.file_of(settings)]
        if with_key:
            wanted.append(settings.key_file or settings.data_dir / KEY_FILE)
        for file, name in zip(wanted, (postgres.ACCESS_FILE, anchors.FILE_NAME, KEY_FILE), strict=False):
            if file.exists():
                shutil.copy2(file, self.files / name)

    def give_back_files(self, settings: Settings) -> list[Path]:
        """Copy what is missing here, and was kept; which those were. What is here stays as it is."""
        kept = {
            settings.data_dir / postgres.ACCESS_FILE: postgres.ACCESS_FILE,
            anchors.file_of(settings): anchors.FILE_NAME,
            settings.key_file or settings.data_dir / KEY_FILE: KEY_FILE,
        }
        given = []
        for file, name in kept.items():
            if not file.exists() and (self.files / name).exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.files / name, file)
                given.append(file)
        return given


def _bytes_below(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
