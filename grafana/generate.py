"""``python -m grafana.generate``: writes dashboards and alert rules; with ``--check``, says if they are current."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import alerts
from grafana.overview import LANGUAGES, overview
from grafana.retirement import retirement

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = Path(__file__).parent / "dashboards"
# By the beginning of their files' names; each in a language.
DASHBOARDS: Final[dict[str, Callable[[str], Dashboard]]] = {
    "city-overview": overview,
    "health-and-retirement": retirement,
}


def render() -> dict[str, str]:
    """The text of every dashboard file, by its name."""
    return {
        f"{name}.{language}.json": json.dumps(
            make(language), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True
        )
        + "\n"
        for name, make in DASHBOARDS.items()
        for language in LANGUAGES
    }


def stale(folder: Path) -> list[str]:
    """The names of the files in *folder* that are missing, not what the code renders, or rendered by nothing."""
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    rendered = render()
    return sorted(name for name in written | rendered if written.get(name) != rendered.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are current, 1 with a sentence when not."""
    parser = argparse.ArgumentParser(prog="python -m grafana.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")
    if parser.parse_args(arguments).check:
        names = stale(FOLDER)
        if names:
            sys.stderr.write(
                f"grafana/dashboards: not what the code generates: {', '.join(names)}. "
                f"Run `make generate` (and delete a file that nothing generates), then commit the result.\n"
            )
        rules = alerts.stale(ROOT)
        if rules:
            sys.stderr.write(f"Not what the code generates: {', '.join(rules)}. Run `make generate`, then commit it.\n")
        return int(bool(names or rules))
    alerts.write(ROOT)
    FOLDER.mkdir(exist_ok=True)
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
