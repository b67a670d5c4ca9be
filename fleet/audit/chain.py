"""Following the chain link by link: what does not fit, told so that one change is one finding. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Final

from fleet.audit import findings
from fleet.audit.findings import Finding
from fleet.audit.sealing import GENESIS, Sealed, seal_of

# Of findings no more is kept than a person works through; the rest is counted.
KEPT: Final = 100
# Longer runs of links that do not fit are no exchange of two.
EXCHANGED_WITHIN: Final = 4


@dataclass(frozen=True, slots=True)
class Link:
    """A link that does not fit: its seal and row as they stand, and the seal it should follow."""

    seal_no: int
    audit_id: int
    seal: bytes
    before: bytes
    row: Sealed

    def would_be(self, key: bytes, row: Sealed) -> bytes:
        """The seal of *row* in this place."""
        return seal_of(key, self.seal_no, self.before, row)


@dataclass(slots=True)
class _Run:
    """Links one after another that do not fit, or whose rows are gone."""

    first: int
    audit_id: int
    last: int = 0
    last_audit_id: int = 0
    # The seal that the last should have; None where its row is gone.
    made: bytes | None = None
    links: list[Link] = field(default_factory=list)


class Chain:
    """The state between two links. After a link that does not fit it goes on from the seal as it stands.

    Whether a row or its seal was changed is known with the next link only: it follows the seal that was made.
    """

    def __init__(self, key: bytes) -> None:
        self.seal_no = 0
        self.seal = GENESIS
        self.fitting = 0
        self.found = 0
        self._key = key
        self._findings: list[Finding] = []
        self._run: _Run | None = None
        self._suspects: list[Link] = []

    def follow(self, seal_no: int, audit_id: int, seal: bytes, row: Sealed | None) -> None:
        """Take the next link; *row* is None where it is gone."""
        if seal_no <= self.seal_no:
            self._add(findings.misnumbered(seal_no, audit_id))
            return
        if seal_no > self.seal_no + 1:
            self._end_run(None)
            # What it follows is gone, so this link itself is not proven.
            self._add(findings.missing(self.seal_no + 1, seal_no - 1, audit_id))
        elif row is not None and seal_of(self._key, seal_no, self.seal, row) == seal:
            self.fitting += 1
            if self._run is not None:
                self._end_run(seal_no)
        else:
            self._suspect(seal_no, audit_id, seal, row)
        self.seal_no, self.seal = seal_no, seal

    def finish(self) -> list[Finding]:
        """What was found, in the order of the chain; to be called once, at its end."""
        run = self._run
        if run is not None and run.made is not None:
            self._add(findings.forged(run.first, run.last, run.audit_id))
            self._remember(run)
        else:
            self._end_run(None)
        exchanged = dict(self._exchanged())
        kept = list(dict.fromkeys(exchanged.get(one.seal_no or 0, one) for one in self._findings))
        self.found -= len(self._findings) - len(kept)
        return sorted(kept, key=lambda one: one.seal_no or 0)

    def _suspect(self, seal_no: int, audit_id: int, seal: bytes, row: Sealed | None) -> None:
        run = self._run
        if run is not None and run.made is not None and row is not None and self._follows(run.made, seal_no, seal, row):
            self.fitting += 1
            self._end_with_edited_seal(run)
            return
        if run is None or (run.made is None) != (row is None):
            self._end_run(None)
            run = self._run = _Run(seal_no, audit_id)
        run.last, run.last_audit_id = seal_no, audit_id
        if row is not None:
            run.made = seal_of(self._key, seal_no, self.seal, row)
            if len(run.links) <= EXCHANGED_WITHIN:
                run.links.append(Link(seal_no, audit_id, seal, self.seal, row))

    def _follows(self, before: bytes, seal_no: int, seal: bytes, row: Sealed) -> bool:
        return seal_of(self._key, seal_no, before, row) == seal

    def _end_run(self, whole_from: int | None) -> None:
        """Tell of the links that did not fit, before one that does, *whole_from*, or before other trouble."""
        run, self._run = self._run, None
        if run is None:
            return
        telling = findings.deleted if run.made is None else findings.edited
        self._add(telling(run.first, run.last, run.audit_id, whole_from))
        self._remember(run)

    def _end_with_edited_seal(self, run: _Run) -> None:
        """The next link follows the seal that the last one should have: its row is genuine."""
        self._run = None
        if run.first < run.last:
            self._add(findings.edited(run.first, run.last - 1, run.audit_id, None))
        self._add(findings.seal_edited(run.last, run.last_audit_id))
        self._remember(run)

    def _remember(self, run: _Run) -> None:
        if len(run.links) <= EXCHANGED_WITHIN:
            self._suspects += run.links[: KEPT - len(self._suspects)]

    def _add(self, finding: Finding) -> None:
        self.found += 1
        if len(self._findings) < KEPT:
            self._findings.append(finding)

    def _exchanged(self) -> Iterator[tuple[int, Finding]]:
        """Links among the suspects that changed places, whole or their contents, by the places."""
        for a, b in permutations(self._suspects, 2):
            is_moved = a.would_be(self._key, b.row) == b.seal
            if is_moved or a.would_be(self._key, (a.audit_id, *b.row[1:])) == a.seal:
                first, second = sorted((a, b), key=lambda link: link.seal_no)
                told = findings.reordered(first.seal_no, second.seal_no, first.audit_id)
                yield first.seal_no, told
                yield second.seal_no, told
