"""The end of a service's parts."""

import asyncio

import pytest

from store import stopping

pytestmark = pytest.mark.anyio


async def test_part_that_loses_a_cancellation_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does on Python 3.11 whose wait_for was just answered."""
    monkeypatch.setattr(stopping, "CANCEL_AGAIN_SECONDS", 0.01)
    lost = 0

    async def loses_two() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    async def fails() -> None:
        raise OSError

    parts = [asyncio.create_task(loses_two()), asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0.02)
    async with asyncio.timeout(10):
        await stopping.end(*parts)
    assert lost == 2
    assert parts[0].cancelled()
    assert isinstance(parts[1].exception(), OSError)


async def test_part_has_time_to_take_leave() -> None:
    """It is not cancelled again meanwhile."""
    left = asyncio.Event()

    async def takes_leave() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.1)
            left.set()

    part = asyncio.create_task(takes_leave())
    await asyncio.sleep(0)
    await stopping.end(part)
    assert left.is_set()
