"""Values of settings that stand in files: ``TRACEFLEET_<NAME>_FILE`` names one.

For secrets, as container engines and systemd hand them over, and for what differs between the pods of one set. A value
in a file shows in no list of processes, no unit and no manifest.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX: Final = "_FILE"
# Longer than any value; a wrong path must not fill the memory.
VALUE_BYTES_MAX: Final = 64 * 1024


class ValueFileError(Exception):
    """A file that gives no value; the argument says why, and what to do."""


class ValueFiles(PydanticBaseSettingsSource):
    """The values of all files that can be read; :func:`complaints` tells of the others."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's
        """Nothing: all are read in ``__call__``."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values by their fields."""
        return dict(_values(self.settings_cls))


def variable_of(settings: type[BaseSettings], field: str) -> str | None:
    """The variable that names the file of *field*; None where that is a setting of its own, as ``…_KEY_FILE`` is."""
    name = f"{field}{SUFFIX}".lower()
    return None if name in settings.model_fields else f"{settings.model_config['env_prefix']}{name}".upper()


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    """Each field that a file may hold, with its variable."""
    for field in settings.model_fields:
        if (variable := variable_of(settings, field)) is not None:
            yield field, variable


def complaints(settings: type[BaseSettings]) -> Iterator[str]:
    """What is wrong with the files that are named, a line each."""
    for _, variable in variables(settings):
        if path := os.environ.get(variable):
            plain = variable.removesuffix(SUFFIX)
            if os.environ.get(plain):
                yield f"{variable}={path!r}: {plain} is set, too. Set one of the two."
            try:
                _read(path)
            except ValueFileError as error:
                yield f"{variable}={path!r}: {error}"


def named_file(settings: type[BaseSettings], field: str) -> str | None:
    """The variable through which *field* has its value, where that is a file's."""
    variable = variable_of(settings, field)
    return variable if variable is not None and os.environ.get(variable) else None


def _values(settings: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    for field, variable in variables(settings):
        if path := os.environ.get(variable):
            try:
                yield field, _read(path)
            except ValueFileError:
                continue  # told by complaints()


def _read(path: str) -> str:
    """The file's text without the line end that editors and ``echo`` leave. Raises ValueFileError."""
    try:
        with Path(path).open("rb") as file:
            value = file.read(VALUE_BYTES_MAX + 1).decode("utf-8")
    except OSError as error:
        raise ValueFileError(
            f"the file cannot be read: {error.strerror}. Give a file that this user may read."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueFileError("the file is no text in UTF-8. Give one that holds the value alone.") from error
    if len(value) > VALUE_BYTES_MAX:
        raise ValueFileError("the file is far too long. Give one that holds the value alone.")
    value = value.rstrip("\r\n")
    if not value:
        raise ValueFileError("the file is empty. Put the value in it.")
    return value
