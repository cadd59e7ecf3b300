"""What of a commit stands in clear columns, and what only under the seal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_app.adapters.sealed.sealing import notes_of
from cds_app.domain.codec import decode_feedback
from tests.stores import commit_to, decision, feedback


@pytest.mark.parametrize(("listed", "clear"), [(True, "known"), (False, "")])
def test_a_reason_is_clear_only_if_the_service_offers_it(listed: bool, clear: str) -> None:
    given = replace(feedback("card", comment="free text"), reason_listed=listed, reason_display="d")
    (note,) = notes_of(commit_to("p", feedback=(given,)))
    assert note.reason_code == clear
    assert decode_feedback(note.plain) == given


def test_nothing_that_a_client_writes_freely_stands_in_clear() -> None:
    made = replace(feedback("ZQX"), comment="ZQX", reason_code="ZQX", reason_display="ZQX", reason_system="ZQX")
    notes = notes_of(commit_to("p", decisions=(decision(card=b"ZQX"),), feedback=(made,)))
    assert len(notes) == 2
    for note in notes:
        assert "ZQX" not in repr(replace(note, plain=b""))
        assert b"ZQX" in note.plain
