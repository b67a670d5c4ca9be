"""What is asked for of cases: one body for each step, and those for many at once."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from api.parameters import Day, Reason, Text
from fleet.retirement.opening import Opening
from fleet.retirement.order import Order, Paper
from fleet.retirement.states import Appraisal, Method, PaperKind, Replacement, StepName

MOST: Final = 1000
FEN_MAX: Final = 2**53
SHA256: Final = r"^[0-9a-f]{64}$"


class PaperOrder(BaseModel):
    """A document that is kept elsewhere, by its hash. Nothing is uploaded."""

    model_config = ConfigDict(extra="forbid")

    kind: PaperKind = Field(examples=["approval"])
    name: Text = Field(examples=["批复〔2026〕7号.pdf"])
    sha256: str = Field(pattern=SHA256, description="of the file, 64 hexadecimal digits")
    size_bytes: int | None = Field(None, ge=0, le=FEN_MAX)
    note: Text | None = None

    def paper(self) -> Paper:
        """The paper itself."""
        return Paper(**self.model_dump())


class DocumentsOrder(BaseModel):
    """Documents to be laid with a case."""

    model_config = ConfigDict(extra="forbid")

    documents: list[PaperOrder] = Field(min_length=1, max_length=50)


class StepOrder(BaseModel):
    """What every step may be told."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = None
    document: Text | None = Field(None, description="number of the document that it stands on")
    papers: list[PaperOrder] = Field(default_factory=list, max_length=50, description="laid with the case by this step")

    def order(self, case_no: str) -> Order:
        """The order, of that case."""
        told = self.model_dump(exclude={"papers", "reason"}, exclude_none=True)
        return Order(
            **told, case_no=case_no, reason=self.reason or "", papers=tuple(paper.paper() for paper in self.papers)
        )


class _Instead(StepOrder):
    replacement: Replacement | None = Field(None, description="what comes in its place")
    successor_no: Text | None = Field(None, description="the device in stock that takes its place")


class KeepOrder(StepOrder):
    """Keep the device for a while."""

    kept_until: Day = Field(description="through this day", examples=["2027-06-30"])


class ProposeOrder(_Instead):
    """Propose it for disposal."""


class AppraiseOrder(StepOrder):
    """What the technical appraisal (技术鉴定) found; its paper is of the kind `appraisal`."""

    appraisal: Appraisal


class ApproveOrder(StepOrder):
    """The approval: `document` is the number of the reply (批复) or of the owner's consent."""


class RejectOrder(StepOrder):
    """Why it is not approved."""


class WithdrawOrder(StepOrder):
    """Why nothing comes of it."""


class ExecuteOrder(_Instead):
    """End the device's identity. Nothing after this is undone."""


class RecoverOrder(_Instead):
    """The device was fetched."""

    recovered_place: Text = Field(description="where it is kept now", examples=["运维仓库A3"])
    photo_sha256: str = Field(pattern=SHA256, description="hash of its photograph")
    recovered_by: Text | None = Field(None, description="who fetched it; null: whoever says so")


class WipeOrder(_Instead):
    """What was stored on it is deleted."""

    recovered_place: Text | None = None
    photo_sha256: str | None = Field(None, pattern=SHA256)


class DisposeOrder(StepOrder):
    """It is gone: how, to whom, and with which receipt."""

    method: Method
    recipient: Text | None = None
    recycler_licence: Text | None = Field(None, description="of scrap: the recycler's licence")
    receipt_no: Text | None = Field(None, description="of scrap: the recycler's receipt; its paper is of that kind")
    income_fen: int | None = Field(None, ge=0, le=FEN_MAX, description="of a sale")


class WriteOffOrder(StepOrder):
    """It is out of the books: `document` is the number of the voucher."""


class ArchiveOrder(StepOrder):
    """The case is closed."""


ORDERS: Final[dict[StepName, type[StepOrder]]] = {
    "keep": KeepOrder,
    "propose": ProposeOrder,
    "appraise": AppraiseOrder,
    "approve": ApproveOrder,
    "reject": RejectOrder,
    "withdraw": WithdrawOrder,
    "execute": ExecuteOrder,
    "recover": RecoverOrder,
    "wipe": WipeOrder,
    "dispose": DisposeOrder,
    "write_off": WriteOffOrder,
    "archive": ArchiveOrder,
}


class OpenOrder(BaseModel):
    """A case for a device: for its flag, or by hand for a reason."""

    model_config = ConfigDict(extra="forbid")

    device_no: Text = Field(examples=["TD-410100-SC-000001-0"])
    reason: Reason | None = Field(None, description="needed where the device has no flag")
    programme: Text | None = Field(None, description="the campaign it belongs to")
    by_hand: bool = Field(False, description="for the reason, whatever flag there is")

    def opening(self, row: int = 1) -> Opening:
        """The opening itself."""
        return Opening(
            device_no=self.device_no,
            reason=self.reason or "",
            programme_no=self.programme,
            by_hand=self.by_hand,
            row=row,
        )


class BulkOrder(BaseModel):
    """One of many: its case, or its device, and what its step has use for."""

    model_config = ConfigDict(extra="forbid")

    case_no: Text | None = None
    device_no: Text | None = None
    reason: Reason | None = None
    document: Text | None = None
    programme: Text | None = None
    by_hand: bool = False
    kept_until: Day | None = None
    appraisal: Appraisal | None = None
    replacement: Replacement | None = None
    successor_no: Text | None = None
    recovered_place: Text | None = None
    recovered_by: Text | None = None
    photo_sha256: str | None = Field(None, pattern=SHA256)
    method: Method | None = None
    recipient: Text | None = None
    recycler_licence: Text | None = None
    receipt_no: Text | None = None
    income_fen: int | None = Field(None, ge=0, le=FEN_MAX)
    papers: list[PaperOrder] = Field(default_factory=list, max_length=50)

    def order(self, row: int) -> Order:
        """The order of a step."""
        told = self.model_dump(exclude={"papers", "reason", "programme", "by_hand"}, exclude_none=True)
        return Order(**told, row=row, reason=self.reason or "", papers=tuple(paper.paper() for paper in self.papers))

    def opening(self, row: int) -> Opening:
        """The case to be opened."""
        return Opening(
            row=row,
            device_no=self.device_no or "",
            reason=self.reason or "",
            programme_no=self.programme,
            by_hand=self.by_hand,
        )


class BulkOrders(BaseModel):
    """Many steps of one sort, or many openings (`open`): all or none."""

    model_config = ConfigDict(extra="forbid")

    step: str = Field(
        description="open, keep, propose and so on", pattern=f"^({'|'.join(('open', *ORDERS))})$", examples=["propose"]
    )
    orders: list[BulkOrder] = Field(min_length=1, max_length=MOST)
    apply: bool = Field(False, description="false: only say what would be done")
