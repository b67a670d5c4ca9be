"""Files that hold a password: readable by their owner alone from the first byte, and never half written."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Replace *path* by *content* as JSON, mode 0600, in one step."""
    write_private_text(path, json.dumps(content, indent=2))


def write_private_text(path: Path, text: str) -> None:
    """Replace *path* by *text*, mode 0600, in one step."""
    # mkstemp makes it 0600, and beside its target, so the rename stays within one file system.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
