"""Whose connection is closed after a change, and whose when a fleet starts."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from fleet.identity.revocation import losers, may_stay
from fleet.identity.snapshot import Credential, Identity

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = Credential(1, bytes(32), None, None, None)
ANOTHER = Credential(2, bytes(32), None, None, None)
DEVICE = Identity(7, "A", False, False, (), (GOOD,))


def revoked(credential: Credential, at: datetime = NOW) -> Credential:
    """The same, revoked."""
    return msgspec.structs.replace(credential, revoked_at=at)


def until(credential: Credential, at: datetime) -> Credential:
    """The same, with an end."""
    return msgspec.structs.replace(credential, expires_at=at)


def having(*credentials: Credential, **given: object) -> Identity:
    """The device with other credentials."""
    return msgspec.structs.replace(DEVICE, credentials=credentials, **given)


@pytest.mark.parametrize(
    ("before", "after", "has_lost"),
    [
        (DEVICE, DEVICE, False),
        (DEVICE, None, True),
        (None, DEVICE, False),
        (DEVICE, having(GOOD, is_retired=True), True),
        (having(GOOD, is_retired=True), DEVICE, False),
        (DEVICE, having(GOOD, device_id=8), True),
        (DEVICE, having(revoked(GOOD)), True),
        (DEVICE, having(), True),
        (DEVICE, having(GOOD, ANOTHER), False),
        (having(GOOD, ANOTHER), having(GOOD), True),
        (having(GOOD, revoked(ANOTHER)), having(GOOD), True),
        (DEVICE, having(until(GOOD, NOW + HOUR)), True),
        (having(until(GOOD, NOW)), having(until(GOOD, NOW + HOUR)), False),
        (having(until(GOOD, NOW + HOUR)), having(until(GOOD, NOW)), True),
        (having(until(GOOD, NOW)), having(GOOD), False),
        (having(revoked(GOOD)), having(revoked(GOOD)), False),
        (having(GOOD, behind=("D",)), having(GOOD, behind=("D", "E")), True),
        (having(GOOD, behind=("D", "E")), having(GOOD, behind=("E",)), True),
    ],
)
def test_connection_is_closed_when_a_right_is_lost(
    before: Identity | None, after: Identity | None, has_lost: bool
) -> None:
    """And when a gateway's rights are others: the broker asks at the beginning only."""
    held = [{"A": identity} if identity is not None else {} for identity in (before, after)]
    assert list(losers(*held)) == (["A"] if has_lost else [])


@pytest.mark.parametrize(
    ("identity", "stays"),
    [
        (None, False),
        (DEVICE, True),
        (having(GOOD, is_retired=True), False),
        (having(), False),
        (having(revoked(GOOD)), False),
        (having(until(GOOD, NOW - HOUR)), False),
        (having(until(GOOD, NOW + HOUR)), True),
        (having(GOOD, revoked(ANOTHER, NOW - HOUR)), False),
        (having(GOOD, until(ANOTHER, NOW - HOUR)), False),
        (having(GOOD, revoked(ANOTHER, NOW - 3 * HOUR)), True),
        (having(GOOD, is_gateway=True), False),
        (having(GOOD, behind=("D",)), False),
    ],
)
def test_connection_may_stay_when_nothing_it_may_rest_on_ended(identity: Identity | None, stays: bool) -> None:
    """Since it was opened, two hours ago. Gateways come back with the rights of now."""
    assert may_stay(identity, since=NOW - 2 * HOUR, now=NOW) is stays
