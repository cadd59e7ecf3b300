"""What a simulation aims at for a patient: as asked for, or as is usual where nothing on record speaks against it."""

from __future__ import annotations

from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.refusals import Refusal
from cds_app.simulate.regimens.questions import Question, goal_of

_OPEN = "must be chosen: it differs from patient to patient, and nothing on record settles it"


def aim_of(drug: Drug, situation: Situation) -> str | Refusal:
    """The goal of a drug that is meant for a patient where nobody names one; never one of several by chance."""
    name = goal_of(drug, Question(plans=()))
    if name is None or spoken_against(drug, name, situation):
        return Refusal(field="goal", limit=_OPEN)
    return name


def spoken_against(drug: Drug, name: str, situation: Situation) -> str:
    """The problem on record with which a goal is not meant by itself; "" where there is none."""
    against = (one for one in drug.file.goals[name].unless if situation.conditions(one))
    return next((situation.ontology.concepts[one].label.lower() for one in against), "")


def meant_now(drug: Drug, name: str, situation: Situation) -> str:
    """The goal that is meant for a time after a procedure, where it is that time; else the one that is named."""
    timed = ((key, goal.since) for key, goal in drug.file.goals.items() if goal.since is not None)
    now = (key for key, since in timed if situation.procedures_done(since.procedure, 24.0 * since.within_days))
    return next(now, name)
