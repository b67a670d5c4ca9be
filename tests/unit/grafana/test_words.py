"""The words that dashboards show are those of the code and of the schema: one without a text is shown as a code."""

import re
from typing import get_args

from fleet.health.catalogue import CHECKS
from fleet.lifecycle.metrology import Metrology
from grafana import words
from ingest.account import OUTCOMES, STREAMS
from ingest.metrics import RETRY_CLASSES
from ingest.refusal import REASONS
from tests.unit.grafana.files import DASHBOARDS, ROOT, panels


def _checked(migration: str, column: str) -> set[str]:
    """The words that the schema lets a column have."""
    text = (ROOT / "store" / "sql" / migration).read_text(encoding="utf-8")
    found = re.search(rf"\b{column}\s+text NOT NULL[^,]*? CHECK \({column} IN \(([^)]*)\)\)", text)
    assert found is not None
    return set(re.findall(r"'(\w+)'", found[1]))


def test_words_are_those_of_the_schema() -> None:
    """States of devices and of cases, channels, scopes, presences."""
    assert _checked("0001_ledger.sql", "state") == set(words.STATES)
    assert _checked("0014_retirement.sql", "state") == set(words.CASE_STATES)
    assert _checked("0014_retirement.sql", "channel") == set(words.CHANNELS)
    assert _checked("0012_days.sql", "scope") == set(words.SCOPES)
    assert _checked("0012_days.sql", "presence") | {"excused"} == set(words.PRESENCES)


def test_words_are_those_of_the_code() -> None:
    """Streams, outcomes, reasons, classes of retries, verifications; checks by the names that health gives them."""
    assert set(STREAMS) >= set(words.STREAMS)
    assert set(OUTCOMES) == set(words.OUTCOMES)
    assert set(REASONS) == set(words.REASONS)
    assert set(RETRY_CLASSES) == set(words.RETRIES)
    assert set(get_args(Metrology)) == set(words.METROLOGIES)
    assert {check.name: (check.name_en, check.name_zh) for check in CHECKS} == words.CHECKS


def test_dead_letters_explain_every_reason_there_is() -> None:
    """The legend shows codes, which people search for; the description says each in the dashboard's language."""
    for place, language in enumerate(("en", "zh")):
        dashboard = DASHBOARDS[f"ingest-pipeline.{language}"]
        [panel] = [each for each in panels(dashboard) if "bad_utf8" in each["description"]]
        for reason in REASONS:
            assert f"{reason} ({words.REASONS[reason][place]})" in panel["description"]
