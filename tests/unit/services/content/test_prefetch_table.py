"""The page that sites copy prefetch from says what the services say."""

from __future__ import annotations

import re
from pathlib import Path

from cds_app.fabric.prefetch import PrefetchTemplate
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.content.prefetch_table import prefetch_page

PAGE = Path(__file__).parents[4] / "deploy" / "docs" / "prefetch.md"
SEARCH = re.compile(
    r"[A-Z][A-Za-z]+\?patient=\{\{context\.patientId\}\}(&category=[a-z-]+|&code=[\d,-]+|&status=active|&_sort=-[a-z-]+|&_count=\d+)*"
)


def test_the_page_in_the_documentation_is_current(knowledge: Knowledge) -> None:
    assert PAGE.read_text("utf-8") == prefetch_page(knowledge.services.values()), "twinline prefetch > " + str(
        PAGE.name
    )


def test_every_query_stays_within_the_recommended_subset(knowledge: Knowledge) -> None:
    for service in knowledge.services.values():
        for template in service.prefetch.values():
            assert template == "Patient/{{context.patientId}}" or SEARCH.fullmatch(template), template
            assert PrefetchTemplate(template).expand({"patientId": "1"})
