"""Freezes a release for the tests beside this file: ``python -m tests.overlap.freeze COMMIT``, in a clone with history.

Two files, named by the release's schema: the source of its ingest, and the text of every query of every package. The
commit's own code is asked for the queries, so its dependencies must be the ones that are installed.
"""

import gzip
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PACKAGES: Final = ("api", "deploy", "fleet", "ingest", "store")
QUERIES: Final = """
import json
from tests.integration.test_queries import QUERY, constants
texts = {name: query if isinstance(query, str) else query.as_string(None) for name, query in constants()}
print(json.dumps({name: text for name, text in sorted(texts.items()) if QUERY.match(text)}))
"""


def main() -> int:
    """Write the files of the commit, and remove those of the one before."""
    (commit,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        _archive(commit, source / "all.tar", "tar", *PACKAGES, "tests/integration/test_queries.py")
        subprocess.run(["tar", "-xf", "all.tar"], cwd=source, check=True)  # noqa: S607 - wherever it is
        told = subprocess.run(
            [sys.executable, "-P", "-c", QUERIES],
            cwd=folder,  # the packages are walked from here
            env={"PYTHONPATH": folder},
            stdout=subprocess.PIPE,
            check=True,
        )
        schema = max(re.findall(r"^\d{4}", path.name)[0] for path in source.glob("store/sql/**/*.sql"))
    for old in HERE.glob("*.gz"):
        old.unlink()
    _archive(commit, HERE / f"ingest-{schema}.tar.gz", "tar.gz", "ingest", "store")
    queries = json.dumps(json.loads(told.stdout), indent=0).encode()
    (HERE / f"queries-{schema}.json.gz").write_bytes(gzip.compress(queries, 9, mtime=0))
    sys.stdout.write(f"frozen: schema {schema}. Set PREVIOUS_RELEASE in store/migrations.py to {int(schema)}.\n")
    return 0


def _archive(commit: str, target: Path, form: str, *paths: str) -> None:
    subprocess.run(
        ["git", "archive", f"--format={form}", "-o", str(target), commit, *paths],  # noqa: S607 - wherever it is
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
