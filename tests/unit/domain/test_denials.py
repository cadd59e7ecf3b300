"""Words that say that there is no allergy."""

from __future__ import annotations

import pytest

from cds_app.domain.denials import affirmed


@pytest.mark.parametrize(
    "text",
    [
        "NKDA",
        "nka.",
        "None",
        "none known",
        "No",
        "NIL KNOWN",
        "No known allergies",
        "No allergies",
        "no known drug allergy",
        "No known penicillin allergy",
        "No penicillin allergy.",
        "Not allergic to penicillin",
        "Denies penicillin allergy",
        "* No history of reaction to penicillin *",
        "Never reacted to penicillin",
        "No adverse reactions to penicillin",
        "Penicillin: not allergic",
        "penicillin - no known allergy.",
        "Penicillin V (allergy denied)",
        "Penicillin: not allergic to it",
        "Sin alergia a penicilina",
        "Niega alergias",
        "No refiere alergia a penicilina",
        "No alérgico a penicilina",
        "Nega alergia a penicilina",
        "Sem alergias",
        "Senza allergia alla penicillina",
        "Nessuna allergia nota",
        "Keine Allergie gegen Penicillin",
        "Geen bekende allergie",
        "Ingen kendte allergier",
        "Inga kända allergier",
        "Brak alergii",
        "Pas d'allergie à la pénicilline",
        "Aucune allergie connue",
    ],
)
def test_a_denial_leaves_nothing(text: str) -> None:
    assert affirmed(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Penicillin",
        "No penicillin",
        "Sin penicilina",
        "Geen penicilline",
        "Keine Penicilline",
        "No NSAIDs!",
        "NO PENICILLIN: anaphylaxis, severe allergy",
        "Penicillin, no rash",
        "Penicillin - not tolerated",
        "Penicillin: not allergic, but a rash",
        "Penicillin: not allergic to cefazolin",
        "Penicillin, not allergic",
        "Penicillin; no known allergy",
        "Penicillin: anaphylaxis; codeine: not allergic",
        "Penicillin: no known allergy before 2019",
        "Penicillin-no",
        "Never give penicillin",
        "Nonsteroidal anti-inflammatory drugs",
        "Noradrenaline",
        "Notriptyline",
        "Nilotinib",
    ],
)
def test_what_must_not_be_given_is_no_denial(text: str) -> None:
    assert affirmed(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("No known drug allergies except penicillin", "penicillin"),
        ("NKDA, but codeine", "codeine"),
        ("None other than  latex", "latex"),
        ("Sin alergias conocidas salvo penicilina", "penicilina"),
        ("Niega alergias, excepto a penicilina", "a penicilina"),
        ("Keine Allergien außer Penicillin", "Penicillin"),
        ("Pas d'allergie connue sauf pénicilline", "pénicilline"),
    ],
)
def test_what_is_excepted_from_a_denial_stays(text: str, left: str) -> None:
    assert affirmed(text) == left
