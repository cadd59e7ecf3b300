"""``twinline canary``: whether the canary patients are answered as they must be."""

from __future__ import annotations

import json

import click

from cds_app.content import MANIFEST, canonical_json, content_root, latest, write_manifest
from cds_app.deps import knowledge_of
from cds_app.errors import IntegrityError
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.watch.canary import GOLDEN, NAME, PATIENTS, answers, differences, patients_of, read_patients
from cds_app.settings import configured


@click.command()
@click.option("--write", is_flag=True, help="Write what comes out as the golden answers: after a signed-off change.")
@click.option("--json", "as_json", is_flag=True, help="Patients and differences as one JSON object; the status stays.")
def canary(*, write: bool, as_json: bool) -> None:
    """Ask for the canary patients now; status 4 if anything is not what it must be."""
    knowledge = knowledge_of(configured())
    if write:
        click.echo(_write_golden(knowledge))
        return
    found = latest(NAME, root=content_root())
    golden, said = found.read_json(GOLDEN), answers(knowledge, patients_of(found))
    wrong = list(differences(golden, said))
    if as_json:
        click.echo(json.dumps({"patients": len(said), "differences": wrong}, indent=2))
    for where in () if as_json else wrong:
        click.echo(f"differs: {where}")
    if wrong:
        raise IntegrityError(f"the canary patients differ in {len(wrong)} places")
    if not as_json:
        click.echo(f"{len(said)} canary patients, as they must be")


def _write_golden(knowledge: Knowledge) -> str:
    """The newest version's golden answers from what comes out now, and its manifest."""
    folder = max((content_root() / "models" / NAME).iterdir())
    draft = folder / GOLDEN
    patients = json.loads((folder / PATIENTS).read_text("utf-8"))
    draft.write_bytes(canonical_json(answers(knowledge, read_patients(patients))))
    kept = json.loads((folder / MANIFEST).read_text("utf-8"))
    made = write_manifest(folder, kept)
    return f"models/{NAME}/{made.version}  {made.sha256}"
