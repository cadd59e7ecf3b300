"""What the page says of a launch that leads nowhere: of each reason a sentence of its own."""

from __future__ import annotations

import re

from jinja2 import FileSystemLoader

from cds_app.content import content_root
from cds_app.pages.rendering import html_environment, page
from cds_app.services.smart import launching

TEMPLATES = html_environment(FileSystemLoader(content_root() / "templates" / "sidebar"))


def said(reason: str) -> str:
    found = re.findall(r'<p role="alert">([^<]+)</p>', page(TEMPLATES, "launch_failed", {"reason": reason}))
    (sentence,) = found
    return str(sentence)


def test_each_reason_has_a_sentence_of_its_own() -> None:
    reasons = (*launching._REFUSALS, "form", "busy")
    sentences = [said(one) for one in reasons]
    assert len(set(sentences)) == len(reasons)
    assert all(one == one.strip() and one.endswith(".") for one in sentences)


def test_only_a_service_that_is_down_is_said_to_be_so() -> None:
    assert said("busy") == "Twinline cannot do this at the moment."
    assert said("denied") == "The EHR did not allow Twinline to be opened: access was denied."
