"""What a verification can find, in words: what it means, and what to do."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "edited",
    "seal_edited",
    "deleted",
    "inserted",
    "reordered",
    "missing_seals",
    "misnumbered",
    "forged",
    "unsealed",
    "cut_tail",
    "contradicts_anchor",
    "anchor_edited",
    "wrong_key",
]

ASK: Final = "Compare with a backup, and ask who had the rights of the database's owner."


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written. *seal_no* is where it begins."""

    kind: Kind
    sentence: str
    seal_no: int | None = None
    audit_id: int | None = None


def edited(first: int, last: int, audit_id: int, whole_from: int | None) -> Finding:
    """Rows, or several rows and seals one after another, are not what they were."""
    if first == last:
        told = f"Row {audit_id} is not what seal {first} was made over: it was changed afterwards."
    else:
        told = f"Seals {first} to {last} do not fit their rows: rows or seals were changed, exchanged or renumbered."
    return Finding("edited", f"{told}{_whole_from(whole_from)} {ASK}", first, audit_id)


def seal_edited(seal_no: int, audit_id: int) -> Finding:
    """The row is genuine, as the next seal proves; its seal is not."""
    return Finding(
        "seal_edited",
        f"Seal {seal_no} is not the one that was made: it was changed afterwards. Its row {audit_id} is as it was "
        f"sealed, for seal {seal_no + 1} proves it; from there the chain is whole again. {ASK}",
        seal_no,
        audit_id,
    )


def forged(first: int, last: int, audit_id: int) -> Finding:
    """The end of the chain does not fit, so nothing proves whether rows or seals are to blame."""
    seals = f"Seal {first}, the last," if first == last else f"Seals {first} to {last}, the last ones,"
    verb = "does" if first == last else "do"
    return Finding(
        "forged",
        f"{seals} {verb} not fit: rows were changed after they were sealed, or rows or seals were put in by somebody "
        f"without the key. What comes from row {audit_id} on is not proven. {ASK}",
        first,
        audit_id,
    )


def deleted(first: int, last: int, audit_id: int, whole_from: int | None) -> Finding:
    """Sealed rows are gone."""
    if first == last:
        told = f"Row {audit_id}, which seal {first} was made over, is gone: it was deleted."
    else:
        told = f"The rows of seals {first} to {last}, from row {audit_id} on, are gone: they were deleted."
    return Finding("deleted", f"{told}{_whole_from(whole_from)} {ASK}", first, audit_id)


def deleted_unsealed(audit_id: int) -> Finding:
    """A row is gone that waited for its seal."""
    return Finding(
        "deleted", f"Row {audit_id} was deleted before it was sealed. What it said is lost. {ASK}", None, audit_id
    )


def inserted(audit_id: int) -> Finding:
    """A row that the queue never saw."""
    return Finding(
        "inserted",
        f"Row {audit_id} has no seal and waits for none: it was put in past the triggers, or its seal was deleted "
        f"from the end of the chain. {ASK}",
        None,
        audit_id,
    )


def reordered(seal_no: int, other: int, audit_id: int) -> Finding:
    """Two entries of the chain changed places."""
    return Finding(
        "reordered",
        f"What stands at seals {seal_no} and {other} was exchanged: each fits in the other's place. {ASK}",
        seal_no,
        audit_id,
    )


def missing(first: int, last: int, next_audit_id: int) -> Finding:
    """Seals are gone."""
    gone = f"Seal {first} is" if first == last else f"Seals {first} to {last} are"
    return Finding(
        "missing_seals",
        f"{gone} missing, so row {next_audit_id}, the next, is not proven; the chain is whole again after it. {ASK}",
        first,
        next_audit_id,
    )


def misnumbered(seal_no: int, audit_id: int) -> Finding:
    """A number that no seal was given, or one twice."""
    return Finding(
        "misnumbered",
        f"A seal over row {audit_id} has the number {seal_no}, which is taken or never was given out. {ASK}",
        seal_no,
        audit_id,
    )


def unsealed(rows: int, first_audit_id: int, minutes: int) -> Finding:
    """Nobody seals."""
    return Finding(
        "unsealed",
        f"{rows} {'row has' if rows == 1 else 'rows have'} waited for a seal longer than {minutes} minutes, from row "
        f"{first_audit_id} on. Check that `tracefleet fleet` runs and has the key; where a transaction of hours was "
        f"committed just now, verify again in a minute.",
        None,
        first_audit_id,
    )


def cut_tail(anchors: int, first_at: str, seal_no: int, head: int) -> Finding:
    """The chain was longer once."""
    return Finding(
        "cut_tail",
        f"The chain ends at seal {head}, and was at seal {seal_no} when it was anchored "
        f"({anchors} {'anchor' if anchors == 1 else 'anchors'} from {first_at} on): its end was cut off, or an older "
        f"backup was restored. After a restore on purpose, put the anchor file aside as evidence of what was lost.",
        head,
    )


def contradicts_anchor(anchors: int, first_at: str, seal_no: int) -> Finding:
    """The chain is another one than it was."""
    return Finding(
        "contradicts_anchor",
        f"Seal {seal_no} is not the one that was anchored at {first_at} ({anchors} "
        f"{'anchor differs' if anchors == 1 else 'anchors differ'} in all): the chain was cut before it and written "
        f"anew, or an older backup was restored. {ASK}",
        seal_no,
    )


def anchor_edited(line: int) -> Finding:
    """A line of the anchor file was not written by us."""
    return Finding(
        "anchor_edited",
        f"Line {line} of the anchor file was changed, or was written with another key: it proves nothing. "
        f"Compare the file with its copies.",
    )


def wrong_key() -> Finding:
    """The database does not know the key."""
    return Finding(
        "wrong_key",
        "The key file is not the one that this database was begun with, or the database's digest of it was changed. "
        "Put the first key back and verify again: without it nothing can be proven.",
    )


def _whole_from(seal_no: int | None) -> str:
    return f" The chain is whole again from seal {seal_no}." if seal_no is not None else ""
