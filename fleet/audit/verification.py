"""Verifying the audit: the whole chain, the rows without a seal, and the anchors, on one snapshot of the database."""

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from fleet.audit import anchors, findings
from fleet.audit.chain import KEPT, Chain
from fleet.audit.findings import Finding
from fleet.audit.sealing import SEALED_COLUMNS, SEALED_FIELDS
from fleet.keys import FINGERPRINT, Keys, fingerprint_of

# The fleet seals every few seconds.
LATE_MINUTES: Final = 5
# Steps of the progress.
AT_ONCE: Final = 10_000

SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# The chain in its order, from index to index: sorting whole rows would need as much disk as the audit.
PLAN: Final = (
    "SET LOCAL enable_sort = off; SET LOCAL enable_hashjoin = off; SET LOCAL max_parallel_workers_per_gather = 0"
)
COUNT: Final = "SELECT coalesce(max(seal_no), 0) FROM audit_seals"
LINKS: Final = f"""
SELECT s.seal_no, s.audit_id, s.seal, {SEALED_COLUMNS}
FROM audit_seals AS s LEFT JOIN audit AS a USING (audit_id) ORDER BY s.seal_no
"""  # noqa: S608 - a constant in a constant
# The server reads on while the last rows are proven here.
STREAM: Final = f"COPY ({LINKS}) TO STDOUT (FORMAT BINARY)"
# Times are compared and not read: one could be infinity.
UNSEALED: Final = """
SELECT count(*) FILTER (WHERE u.audit_id IS NOT NULL),
       count(*) FILTER (WHERE u.audit_id IS NOT NULL AND a.at < now() - make_interval(mins => %(minutes)s)),
       coalesce(min(a.audit_id) FILTER (WHERE u.audit_id IS NOT NULL), 0),
       count(*) FILTER (WHERE u.audit_id IS NULL),
       (array_agg(a.audit_id ORDER BY a.audit_id) FILTER (WHERE u.audit_id IS NULL))[1:%(kept)s]
FROM audit AS a LEFT JOIN audit_unsealed AS u USING (audit_id)
WHERE NOT EXISTS (SELECT FROM audit_seals AS s WHERE s.audit_id = a.audit_id)
"""
ORPHANS: Final = """
SELECT u.audit_id FROM audit_unsealed AS u LEFT JOIN audit AS a USING (audit_id) WHERE a.audit_id IS NULL
ORDER BY u.audit_id LIMIT %(kept)s
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification saw. *found* counts every finding, also those beyond the ones kept.

    *sealed* rows fit their seals; *waiting* ones have none yet. *seal_no* and *seal* are the chain's head.
    """

    sealed: int
    waiting: int
    anchors: int
    seal_no: int
    seal: str
    found: int
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return self.found == 0


@dataclass(frozen=True, slots=True)
class _Loose:
    """Rows without a seal: how many wait for one, and what is wrong with the others."""

    waiting: int
    found: int
    findings: list[Finding]


def verify(
    connection: Connection[Any], keys: Keys, anchor_file: Path, *, progress: Callable[[int, int], object] | None = None
) -> Verdict:
    """Read everything there is, in memory that does not grow with it; *progress* gets seals behind and in all.

    *connection* is in autocommit, and its user needs to read only. Raises KeyFileError or AnchorFileError when a file
    cannot be read.
    """
    key = keys.of_file("audit")
    noted = anchors.read(anchor_file, key)
    comparison = anchors.Comparison(noted.anchors)
    chain = Chain(key)
    with connection.transaction():
        connection.execute(SNAPSHOT)
        known = connection.execute(FINGERPRINT, {"purpose": "audit"}).fetchone()
        _follow(connection, chain, comparison, progress or (lambda _done, _total: None))
        loose = _loose(connection)
    comparison.end()
    around = [*_compared(comparison, chain.seal_no), *map(findings.anchor_edited, noted.foreign)]
    told = [*chain.finish(), *loose.findings, *around]
    found = chain.found + loose.found + len(around)
    if chain.seal_no and (known is None or not hmac.compare_digest(bytes(known[0]), fingerprint_of(key))):
        # Where nothing fits, it is the key and not the audit.
        told, found = ([findings.wrong_key(), *told], found + 1) if chain.fitting else ([findings.wrong_key()], 1)
    return Verdict(
        sealed=chain.fitting,
        waiting=loose.waiting,
        anchors=len(noted.anchors),
        seal_no=chain.seal_no,
        seal=chain.seal.hex(),
        found=found,
        findings=tuple(told),
        warnings=tuple(_warnings(noted, anchor_file)),
    )


def _follow(
    connection: Connection[Any], chain: Chain, comparison: anchors.Comparison, progress: Callable[[int, int], object]
) -> None:
    connection.execute(PLAN)
    (total,) = connection.execute(COUNT).fetchone() or (0,)
    done = 0
    with connection.cursor().copy(STREAM) as copy:
        copy.set_types(["int8", "int8", "bytea", "int8", *["text"] * (SEALED_FIELDS - 1)])
        for seal_no, audit_id, seal, *row in copy.rows():
            # The row's own number is the one column that cannot be NULL where there is a row.
            chain.follow(seal_no, audit_id, seal, row if row[0] is not None else None)
            comparison.see(seal_no, seal)
            done += 1
            if done % AT_ONCE == 0:
                progress(done, max(done, total))
    progress(done, max(done, total))


def _loose(connection: Connection[Any]) -> _Loose:
    row = connection.execute(UNSEALED, {"minutes": LATE_MINUTES, "kept": KEPT}).fetchone()
    waiting, late, first, loose, ids = row or (0, 0, 0, 0, None)
    orphans = [audit_id for (audit_id,) in connection.execute(ORPHANS, {"kept": KEPT})]
    told = [*map(findings.inserted, ids or ()), *map(findings.deleted_unsealed, orphans)]
    if late:
        told.append(findings.unsealed(late, first, LATE_MINUTES))
    return _Loose(waiting, loose + len(orphans) + bool(late), told)


def _compared(comparison: anchors.Comparison, head: int) -> Iterator[Finding]:
    if differing := comparison.differing:
        yield findings.contradicts_anchor(len(differing), differing[0].at, differing[0].seal_no)
    if beyond := comparison.beyond:
        yield findings.cut_tail(len(beyond), beyond[0].at, beyond[-1].seal_no, head)


def _warnings(noted: anchors.Noted, file: Path) -> Iterator[str]:
    if not noted.anchors:
        yield (
            f"There is no anchor in {file}: should the end of the chain be cut off, nobody would notice. "
            f"`tracefleet fleet` writes one a minute; point TRACEFLEET_AUDIT_ANCHOR_FILE at its file."
        )
    if noted.torn:
        yield f"{noted.torn} lines of {file} were torn by a crash and are passed over."
