"""``python -m grafana.generate``: writes dashboards and alert rules; with ``--check``, says if they are current."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import (
    alerts,
    city_overview,
    cold_chain,
    device_detail,
    fleet_health,
    ingest_pipeline,
    retirement,
    scales_and_scanners,
    site_detail,
)
from grafana.catalogue import ENTRIES
from grafana.page import Sections, page
from grafana.variables import CONSOLE
from grafana.words import LANGUAGES

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = Path(__file__).parent / "dashboards"
# By the name of the dashboard, which begins the names of its files: one in each language.
SECTIONS: Final[Mapping[str, Sections]] = {
    "city-overview": city_overview.sections,
    "ingest-pipeline": ingest_pipeline.sections,
    "cold-chain": cold_chain.sections,
    "scales-and-scanners": scales_and_scanners.sections,
    "fleet-health": fleet_health.sections,
    "retirement": retirement.sections,
    "site-detail": site_detail.sections,
    "device-detail": device_detail.sections,
}


def render(address: str = CONSOLE) -> dict[str, str]:
    """The text of every dashboard file, by its name. *address* is the console's, to which their links lead."""
    return {
        f"{entry.name}.{language}.json": json.dumps(
            page(entry, language, SECTIONS[entry.name], address=address),
            cls=JSONEncoder,
            indent=2,
            ensure_ascii=False,
            sort_keys=True,
        )
        + "\n"
        for entry in ENTRIES
        for language in LANGUAGES
    }


def stale(folder: Path) -> list[str]:
    """The names of the files in *folder* that are missing, not what the code renders, or rendered by nothing."""
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    rendered = render()
    return sorted(name for name in written | rendered if written.get(name) != rendered.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or check them: 0 when they are current, 1 with a sentence when not."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.generate",
        description=__doc__,
        epilog="Example: python -m grafana.generate --console https://trace.example.cn --folder dashboards",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")
    parser.add_argument("--console", default=CONSOLE, help="where the console answers (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write (default: the repository's own)")
    given = parser.parse_args(arguments)
    if given.check:
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
    # Rules stand in folders of their own, and know no console.
    if given.folder == FOLDER:
        alerts.write(ROOT)
    given.folder.mkdir(exist_ok=True, parents=True)
    for name, text in render(given.console).items():
        (given.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
