"""What the indices of a situation are made with."""

from __future__ import annotations

from cds_app.score.chronology import Asked


def test_what_is_asked_for_is_worked_out_once() -> None:
    made: list[str] = []

    def length(name: str) -> int:
        made.append(name)
        return len(name)

    lengths = Asked(length)
    assert (lengths["sodium"], lengths["sodium"], lengths["ph"]) == (6, 6, 2)
    assert made == ["sodium", "ph"]
