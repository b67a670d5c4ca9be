"""How much of each fault is run: little of it with the whole suite, all of it with ``make test-faults``."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """Numbers of one profile; everything else is the same."""

    name: str
    kills: int
    kill_messages: int
    server_kills: int
    # How long a server is frozen, or a network parted.
    away_seconds: float
    cuts: int
    broker_restarts: int
    half_open_times: int
    takeovers: int
    soak_seconds: float
    # Messages a second that a fault runs under.
    rate: float
    # Links that every fault is run over; a fault that is about the broker runs over all.
    links: tuple[str, ...]


SHORT: Final = Profile(
    name="short",
    kills=6,
    kill_messages=5_000,
    server_kills=2,
    away_seconds=8.0,
    cuts=5,
    broker_restarts=1,
    half_open_times=1,
    takeovers=1,
    soak_seconds=30.0,
    rate=400.0,
    links=("nats",),
)
FULL: Final = Profile(
    name="full",
    kills=200,
    kill_messages=100_000,
    server_kills=20,
    away_seconds=60.0,
    cuts=100,
    broker_restarts=10,
    half_open_times=5,
    takeovers=10,
    soak_seconds=1800.0,
    rate=1_000.0,
    links=("nats", "mosquitto"),
)
PROFILES: Final = {profile.name: profile for profile in (SHORT, FULL)}
