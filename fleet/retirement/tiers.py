"""Who has to approve, by what the devices cost when they were bought and whose they are. Choosing is pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from psycopg import Connection
from psycopg.rows import class_row

from fleet.errors import RefusedError, UnknownEntryError

Outcome = Literal["filed", "approved"]

TIERS: Final = """
SELECT tier, name_zh, name_en, owner_types, single_below_fen, bundle_below_fen, outcome, basis
FROM approval_tiers ORDER BY single_below_fen NULLS LAST, bundle_below_fen NULLS LAST, tier_id
"""
PUT: Final = """
UPDATE approval_tiers SET name_zh = %(name_zh)s, name_en = %(name_en)s, single_below_fen = %(single_below_fen)s,
       bundle_below_fen = %(bundle_below_fen)s, outcome = %(outcome)s, basis = %(basis)s, updated_at = now()
WHERE tier = %(tier)s
"""


@dataclass(frozen=True, slots=True)
class Tier:
    """Below both limits, of one device and of all proposed together, this tier decides. None: no limit."""

    tier: str
    name_zh: str
    name_en: str
    owner_types: Sequence[str]
    single_below_fen: int | None
    bundle_below_fen: int | None
    outcome: Outcome
    basis: str | None = None

    def takes(self, owner_type: str, single_fen: int | None, bundle_fen: int | None) -> bool:
        """Whether devices of this owner and value are decided here. A value nobody knows is below no limit."""
        return (
            owner_type in self.owner_types
            and _is_below(single_fen, self.single_below_fen)
            and _is_below(bundle_fen, self.bundle_below_fen)
        )


def _is_below(value: int | None, limit: int | None) -> bool:
    return limit is None or (value is not None and value < limit)


def choose(
    tiers: Sequence[Tier], owner_type: str | None, single_fen: int | None, bundle_fen: int | None
) -> Tier | None:
    """The first of *tiers*, in the order of their limits, that takes such devices; None where none does.

    A value that is not known falls to the tier without limits: else leaving it out would be the way around.
    """
    return next((tier for tier in tiers if tier.takes(owner_type or "", single_fen, bundle_fen)), None)


def load_tiers(connection: Connection[Any]) -> list[Tier]:
    """The tiers in the order of their limits."""
    with connection.cursor(row_factory=class_row(Tier)) as cursor:
        return cursor.execute(TIERS).fetchall()


def put_tier(connection: Connection[Any], tier: Tier) -> Tier:
    """*tier* as it shall be from now on; whose devices it is for stays. Raises UnknownEntryError; RefusedError.

    Cases that were approved keep the tier by which they were.
    """
    before = {one.tier: one for one in load_tiers(connection)}.get(tier.tier)
    if before is None:
        raise UnknownEntryError(f"no approval tier is called {tier.tier!r}.")
    if before.single_below_fen is None and before.bundle_below_fen is None:
        # The last of its owners: with a limit, devices above it could never be approved.
        if tier.single_below_fen is not None or tier.bundle_below_fen is not None:
            raise RefusedError(f"{tier.tier} takes what is above all limits, so it has none itself.")
    elif tier.single_below_fen is None and tier.bundle_below_fen is None:
        raise RefusedError(f"{tier.tier} needs a limit: without one, nothing would ever reach the tier above.")
    connection.execute(
        PUT,
        {
            "tier": tier.tier,
            "name_zh": tier.name_zh,
            "name_en": tier.name_en,
            "single_below_fen": tier.single_below_fen,
            "bundle_below_fen": tier.bundle_below_fen,
            "outcome": tier.outcome,
            "basis": tier.basis,
        },
    )
    return {one.tier: one for one in load_tiers(connection)}[tier.tier]
