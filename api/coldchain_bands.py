"""``/api/v1/coldchain-bands``: within which temperatures a probe is well."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.body import BodiesDep, described
from api.callers import MAY_READ, require
from api.ledger import EXAMPLE_LOGGER, SiteKind
from api.ledger_desk import ActorDep, DeskDep
from api.parameters import DEVICE_NO_PATTERN, Reason, Text
from api.problems import FORBIDDEN, OF_BODIES, OF_CHANGES, documented
from fleet.days import bands
from fleet.days.bands import INTERVAL_SECONDS_MIN, SECONDS_MAX, Place
from store.records import COLDEST_C, WARMEST_C

router = APIRouter(prefix="/api/v1/coldchain-bands", tags=["Cold chain"])
MAY: Final = [Depends(require("fleet_admin"))]
STAYS: Final = "left out: as it is in the band that stands"
Celsius = Annotated[float, Field(ge=COLDEST_C, le=WARMEST_C, allow_inf_nan=False)]


class BandLine(BaseModel):
    """Of a kind of device; of one model of it, at one kind of site, or of one device, where those are named."""

    band_id: int
    kind: str = Field(examples=["logger"])
    model_no: str | None = Field(description="null: of every model of the kind")
    site_kind: str | None = Field(description="null: at sites of every kind", examples=["cold_store"])
    device_no: str | None = Field(description="null: of every device")
    goods_zh: str = Field(examples=["冷藏食品"])
    goods_en: str = Field(examples=["chilled food"])
    place: str = Field(description="store: it stands in one; vehicle: it rides in one", examples=["store"])
    low_c: float = Field(examples=[0])
    high_c: float = Field(examples=[8])
    tolerated_seconds: int = Field(description="outside for longer is an excursion", examples=[1800])
    door_seconds: int = Field(description="a door may stand open for as long", examples=[600])
    interval_seconds: int = Field(description="missing for more than two of these is a gap", examples=[900])
    basis: str = Field(description="the norm or the decision that it is from", examples=["冷库温度管理规定"])


class Bands(BaseModel):
    """All of them; of those that fit a probe, the most specific counts: device, then model, then kind of site."""

    items: list[BandLine]


class BandOrder(BaseModel):
    """What counts from now on, for the whole of the running day as well."""

    model_config = ConfigDict(extra="forbid")

    kind: Text = Field(description="one that tells temperatures", examples=["logger"])
    model_no: Text | None = None
    site_kind: SiteKind | None = Field(None, examples=["cold_store"])
    device_no: Annotated[str, Field(pattern=DEVICE_NO_PATTERN)] | None = Field(None, examples=[EXAMPLE_LOGGER])
    goods_zh: Text = Field(examples=["冷冻肉"])
    goods_en: Text = Field(examples=["frozen meat"])
    place: Place | None = Field(None, description=f"{STAYS}, or store", examples=["store"])
    low_c: Celsius = Field(examples=[-30])
    high_c: Celsius = Field(description="at least 1 °C above low_c", examples=[-15])
    tolerated_seconds: int | None = Field(None, ge=0, le=SECONDS_MAX, description=f"{STAYS}, or 1800", examples=[1800])
    door_seconds: int | None = Field(None, ge=1, le=SECONDS_MAX, description=f"{STAYS}, or 600", examples=[600])
    interval_seconds: int | None = Field(
        None, ge=INTERVAL_SECONDS_MIN, le=SECONDS_MAX, description=f"{STAYS}, or 900", examples=[900]
    )
    basis: Reason = Field(description="the norm or the decision that it is from", examples=["冷库温度管理规定"])
    reason: Reason = Field(examples=["冷冻库单独判定"])


@router.get("", summary="Bands of the cold chain", responses=documented(), dependencies=MAY_READ)
async def list_bands(desk: DeskDep) -> Bands:
    """By kind, the general before the particular, those of single devices last."""
    return Bands.model_validate({"items": await desk.read(bands.bands)}, from_attributes=True)


@router.put(
    "",
    summary="Set a band of the cold chain",
    openapi_extra=described(BandOrder),
    responses=documented(*OF_BODIES, FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def put_band(request: Request, bodies: BodiesDep, desk: DeskDep, actor: ActorDep) -> Bands:
    """Of a kind, a model of it, one device, at all sites or at a kind of site; all that stand then.

    It counts at once for the newest readings and the alert, and for each day that is rolled up from then on: the
    running one within minutes, yesterday until noon. Older days keep the band they were judged by, unless something
    late has one rolled up again.
    """
    order = await bodies.read(request, BandOrder)
    wanted = bands.Order(**order.model_dump(exclude={"reason"}))
    await desk.change(actor, lambda connection: bands.put(connection, wanted), reason=order.reason)
    return await list_bands(desk)


@router.delete(
    "/{band_id}",
    summary="Remove a band of the cold chain",
    responses=documented(FORBIDDEN, besides=OF_CHANGES),
    dependencies=MAY,
)
async def remove_band(
    band_id: Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the band.")],
    reason: Annotated[Reason, Query(description="Why; the audit keeps it.")],
    desk: DeskDep,
    actor: ActorDep,
) -> Bands:
    """The next general one counts again, from the running day on; all that stand then. A kind keeps its general one."""
    await desk.change(actor, lambda connection: bands.remove(connection, band_id), reason=reason)
    return await list_bands(desk)
