"""Ways from one dashboard to another and to the console; every address of ours is made here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DashboardLink

from grafana.catalogue import CITY_OVERVIEW, DEVICE_DETAIL, ENTRIES, SITE_DETAIL, Entry
from grafana.words import LANGUAGES, Say, language_of

# Said in the language that it leads to, since whoever needs it reads no other.
OTHER_LANGUAGE: Final = {"en": "English", "zh": "中文"}
# The console at `/` opens on the device that it is asked for.
_CONSOLE_DEVICE: Final = "${console}/?device=${__data.fields.device_no:percentencode}"


# The SDK's own puts every link into a menu, where nobody sees it.
class _Shown(DashboardLink):
    def to_json(self) -> dict[str, object]:
        written: dict[str, object] = super().to_json()
        return {name: value for name, value in written.items() if name != "placement"}


@dataclass(frozen=True, slots=True)
class Link(Builder[DashboardLink]):
    """A link in the head of a dashboard or on a value."""

    title: str
    url: str
    # In a tab of its own: what is not ours to come back from.
    is_outside: bool = False
    # Adds the time that is looked at. A link on a value has it in its address.
    keeps_time: bool = False

    def build(self) -> DashboardLink:
        """The link."""
        return _Shown(
            title=self.title,
            icon="external link" if self.is_outside else "dashboard",
            url=self.url,
            target_blank=self.is_outside,
            keep_time=self.keeps_time,
        )


def navigation(here: Entry, say: Say) -> Iterator[Link]:
    """To each other dashboard, with the variables that both have and the time; to this one in the other language."""
    language = language_of(say)
    for entry in ENTRIES:
        if entry is not here:
            yield Link(say(*entry.short), _address(entry, language, _shared(here, entry)), keeps_time=True)
    [other] = [each for each in LANGUAGES if each != language]
    yield Link(OTHER_LANGUAGE[other], _address(here, other, _shared(here, here)), keeps_time=True)


def to_site(say: Say) -> Link:
    """From a row with the field site_no to its site."""
    return Link(say("Open the site", "查看节点"), _of_row(SITE_DETAIL, "site", "site_no", say))


def to_device(say: Say) -> Link:
    """From a row with the field device_no to its device."""
    return Link(say("Open the device", "查看设备"), _of_row(DEVICE_DETAIL, "device", "device_no", say))


def to_console(say: Say) -> Link:
    """From a row with the field device_no to its device in the console, where something can be done about it."""
    return Link(say("Open in the console", "在管理台中打开"), _CONSOLE_DEVICE, is_outside=True)


def to(entry: Entry, here: Entry, say: Say) -> Link:
    """From a panel of *here* to another dashboard that says more, with what is chosen."""
    url = _address(entry, language_of(say), _shared(here, entry))
    return Link(say(*entry.title), _with_time(url))


def to_region(say: Say) -> Link:
    """From a row with the field region_code to the overview of its region."""
    return Link(say("Open the region", "查看该区域"), _of_row(CITY_OVERVIEW, "region", "region_code", say))


def as_option(link: Link) -> dict[str, object]:
    """The link as the override of a column holds it."""
    return {"title": link.title, "url": link.url, "targetBlank": link.is_outside}


def _shared(here: Entry, there: Entry) -> Mapping[str, str | None]:
    return dict.fromkeys(name for name in here.variables if name in there.variables)


def _of_row(entry: Entry, variable: str, field: str, say: Say) -> str:
    value = f"${{__data.fields.{field}:percentencode}}"
    return _with_time(_address(entry, language_of(say), {variable: value}))


def _with_time(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}${{__url_time_range}}"


def _address(entry: Entry, language: str, chosen: Mapping[str, str | None]) -> str:
    """The dashboard with each variable of *chosen* at its value; None: as it is chosen here, All included."""
    parts = [f"${{{name}:queryparam}}" if value is None else f"var-{name}={value}" for name, value in chosen.items()]
    return f"/d/{entry.uid(language)}" + ("?" + "&".join(parts) if parts else "")
