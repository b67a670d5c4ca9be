"""What a device needs to speak: its login at the broker, told once, and its topics."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.ledger import EXAMPLE_LOGGER
from fleet.identity.credentials import Issued
from fleet.identity.permissions import rights_of


class Topics(BaseModel):
    """What it may do at the broker. A gateway does the same for the devices behind it."""

    publish: list[str] = Field(examples=[[f"tracefleet/v1/{EXAMPLE_LOGGER}/coldchain"]])
    subscribe: list[str] = Field(examples=[[f"tracefleet/v1/{EXAMPLE_LOGGER}/command"]])


class Login(BaseModel):
    """A new login. The password is in this answer and nowhere else: only its digest is kept."""

    device_no: str = Field(examples=[EXAMPLE_LOGGER])
    credential_id: int = Field(description="to name it when it is revoked", examples=[17])
    username: str = Field(description="of MQTT", examples=[EXAMPLE_LOGGER])
    password: str = Field(description="of MQTT", examples=["0JcDoTQ5Hqmhb0nvsv6rRNTAXE2sVg9Sr3mJ1T1nVhk"])
    client_id: str = Field(description="of MQTT; with another the device is refused", examples=[EXAMPLE_LOGGER])
    topics: Topics
    expires_at: datetime | None = Field(description="null: until it is revoked")


def login_of(issued: Issued) -> Login:
    """The answer that tells of a new password."""
    rights = rights_of(issued.device_no)
    return Login(
        device_no=issued.device_no,
        credential_id=issued.credential_id,
        username=issued.device_no,
        password=issued.secret,
        client_id=issued.device_no,
        topics=Topics(publish=list(rights.publish), subscribe=list(rights.subscribe)),
        expires_at=issued.expires_at,
    )
