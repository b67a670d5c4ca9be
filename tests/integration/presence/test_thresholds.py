"""After how long a device is late and silent: the most specific row counts."""

import pytest

from fleet.errors import RefusedError, UnknownEntryError
from fleet.presence.thresholds import LIMITS, put, remove, thresholds
from tests.integration.days.conftest import World


def limits(world: World) -> dict[tuple[str, str], tuple[int, int]]:
    """What counts for each model at each kind of site."""
    columns = "model_no, site_kind, late_seconds, silent_seconds"
    query = f"SELECT {columns} FROM ({LIMITS}) AS l JOIN models USING (model_id)"  # noqa: S608 - constants
    found = world.connection.execute(query.encode()).fetchall()
    return {(model_no, kind): (late, silent) for model_no, kind, late, silent in found}


def test_most_specific_row_counts(world: World) -> None:
    """A model at a kind of site, a model, a kind at a kind of site, a kind, and a default where none is."""
    world.site("M")
    world.site("C", kind="cold_store")
    world.device("L1", "M", "logger")
    world.device("S1", "M")
    assert limits(world)["logger", "wet_market"] == (1200, 86400)
    put(world.connection, "logger", site_kind="cold_store", late_seconds=3, silent_seconds=30)
    put(world.connection, "logger", model_no="logger", late_seconds=2, silent_seconds=20)
    assert limits(world)["logger", "cold_store"] == limits(world)["logger", "wet_market"] == (2, 20)
    put(world.connection, "logger", model_no="logger", site_kind="cold_store", late_seconds=1, silent_seconds=10)
    put(world.connection, "logger", model_no="logger", site_kind="cold_store", late_seconds=1, silent_seconds=11)
    assert limits(world)["logger", "cold_store"] == (1, 11)
    remove(
        world.connection, next(t.threshold_id for t in thresholds(world.connection) if t.model_no and not t.site_kind)
    )
    assert limits(world)["logger", "wet_market"] == (1200, 86400)
    world.connection.execute("DELETE FROM presence_thresholds WHERE kind = 'trace_scale'")
    assert limits(world)["trace_scale", "wet_market"] == (1200, 86400)


def test_threshold_is_refused(world: World) -> None:
    """Of what is unknown, of a model of another kind, and where silence would come before lateness."""
    world.site("M")
    world.device("S1", "M")
    with pytest.raises(UnknownEntryError, match="no kind"):
        put(world.connection, "toaster", late_seconds=1, silent_seconds=2)
    with pytest.raises(UnknownEntryError, match="no kind of site 'cold-store'"):
        put(world.connection, "logger", site_kind="cold-store", late_seconds=1, silent_seconds=2)
    with pytest.raises(UnknownEntryError, match="no model"):
        put(world.connection, "logger", model_no="X", late_seconds=1, silent_seconds=2)
    with pytest.raises(RefusedError, match="is a trace_scale"):
        put(world.connection, "logger", model_no="trace_scale", late_seconds=1, silent_seconds=2)
    with pytest.raises(RefusedError, match="late before it is silent"):
        put(world.connection, "logger", late_seconds=2, silent_seconds=2)
    with pytest.raises(UnknownEntryError, match="no threshold"):
        remove(world.connection, 10**6)
