"""What a change changed, field by field, fit for every eye. Pure.

Secrets and sealed personal data are never shown, not even sealed: only that they changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Entity = Literal["devices", "sites", "models", "merchants", "parties"]
# A column that names another row by a number that means nothing to people: what it names, and the field's own name.
REFERENCES: Final[Mapping[str, tuple[Entity, str]]] = {
    "device_id": ("devices", "device_no"),
    "gateway_id": ("devices", "gateway_no"),
    "predecessor_id": ("devices", "predecessor_no"),
    "site_id": ("sites", "site_no"),
    "model_id": ("models", "model_no"),
    "merchant_id": ("merchants", "merchant_code"),
    "party_id": ("parties", "party_no"),
}
_OWN: Final = {"devices": "device_id", "sites": "site_id", "models": "model_id", "merchants": "merchant_id"} | {
    "parties": "party_id"
}
HIDDEN: Final = ("_sealed", "_sha256")
# Of a document, not of a secret.
SHOWN: Final = frozenset({"photo_sha256"})
# What the database sets or derives by itself.
DERIVED: Final = frozenset({"created_at", "updated_at", "opening_minutes"})

Row = Mapping[str, Any]
# What people call a row, by what it is and its id.
Names = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field before and after; of a *hidden* one only that it changed is told, and both are None."""

    field: str
    before: Any
    after: Any
    hidden: bool = False


def differences(entity: str, before: Row | None, after: Row | None, names: Names) -> list[Difference]:
    """The fields in which *before* and *after* differ; None is a row that was not there."""
    old, new = before or {}, after or {}
    return list(_differences(entity, old, new, names))


def fields_of(entity: str, row: Row, names: Names) -> dict[str, Any]:
    """A row as people may see it: references by their numbers, nothing hidden, nothing that only the database uses."""
    return {
        _shown_as(entity, column): _shown(entity, column, value, names)
        for column, value in row.items()
        if not is_hidden(column) and column not in DERIVED and column != _OWN.get(entity)
    }


def referred_to(entity: str, rows: Iterable[Row | None]) -> Iterator[tuple[Entity, str]]:
    """What *rows* of an entity name by its id, to be looked up for :func:`differences`."""
    for row in rows:
        for column, (of, _) in REFERENCES.items():
            if row is not None and column != _OWN.get(entity) and row.get(column) is not None:
                yield of, str(row[column])


def is_hidden(column: str) -> bool:
    """Whether nobody may see the column's values."""
    return column.endswith(HIDDEN) and column not in SHOWN


def _differences(entity: str, old: Row, new: Row, names: Names) -> Iterator[Difference]:
    for column in dict.fromkeys((*new, *old)):
        was, became = old.get(column), new.get(column)
        if was == became or column in DERIVED or column == _OWN.get(entity):
            continue
        if is_hidden(column):
            yield Difference(column.removesuffix("_sealed"), None, None, hidden=True)
        else:
            shown = (_shown(entity, column, value, names) for value in (was, became))
            yield Difference(_shown_as(entity, column), *shown)


def _shown_as(entity: str, column: str) -> str:
    return REFERENCES[column][1] if column in REFERENCES and column != _OWN.get(entity) else column


def _shown(entity: str, column: str, value: Any, names: Names) -> Any:  # noqa: ANN401 - whatever JSON holds
    if value is None or column not in REFERENCES or column == _OWN.get(entity):
        return value
    # Gone without a trace, it keeps its number, marked as such.
    return names.get((REFERENCES[column][0], str(value)), f"#{value}")
