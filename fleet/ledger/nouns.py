"""The nouns of the ledger and what each one's sheet holds, in the order in which sheets can be imported.

Data, not code: reading rows, comparing them and writing them treat all nouns alike.
"""

from collections.abc import Mapping
from typing import Final

from fleet.ledger.columns import Column, Entry, Ledger, Reference
from fleet.ledger.nouns_devices import DEVICES, MODELS
from fleet.ledger.nouns_people import MEMBERSHIPS, MERCHANTS, PARTIES, RESPONSIBILITIES
from fleet.ledger.nouns_places import CLOSURES, FIRST_DAY, REGIONS, SITES
from fleet.ledger.nouns_rules import CODE_PROFILES, REGISTRATION_GATES
from fleet.ledger.report import Noun
from fleet.ledger.words import DEVICE_KINDS, DEVICE_STATES, SITE_KINDS

__all__ = (
    "DEVICE_KINDS",
    "DEVICE_STATES",
    "FIRST_DAY",
    "LEDGERS",
    "SITE_KINDS",
    "Column",
    "Entry",
    "Ledger",
    "Reference",
)

# Each after those it refers to.
LEDGERS: Final[Mapping[Noun, Ledger]] = {
    ledger.noun: ledger
    for ledger in (
        REGIONS,
        CODE_PROFILES,
        SITES,
        CLOSURES,
        MERCHANTS,
        MEMBERSHIPS,
        PARTIES,
        MODELS,
        REGISTRATION_GATES,
        DEVICES,
        RESPONSIBILITIES,
    )
}
