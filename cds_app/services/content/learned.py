"""The learned risks, each checked in the process that serves it.

A model that fails is not asked. The service goes on without it, says at every patient that it cannot estimate, and is
not ready: silence would read as "low".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from cds_app.content import Artefact, artefact
from cds_app.errors import ContentError
from cds_app.explain.estimates import RiskEstimate
from cds_app.score.result import Abstained, Lack
from cds_app.score.risk.model import RiskModel

FAILED = "model-failed"
_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What of the learned risks can be used.

    Parameters
    ----------
    models : mapping of str to RiskModel
        Those whose files, known predictions and explanations are what they were when trained.
    artefacts : mapping of str to Artefact
        Theirs.
    failed : frozenset of str
        Names of the others.
    """

    models: Mapping[str, RiskModel]
    artefacts: Mapping[str, Artefact]
    failed: frozenset[str]

    def only(self, names: Sequence[str]) -> dict[str, RiskModel]:
        """Some of the models, where they can be used."""
        return {name: self.models[name] for name in names if name in self.models}

    def silenced(self, names: Sequence[str]) -> dict[str, RiskEstimate]:
        """What those of some models that failed say of any patient."""
        return {name: RiskEstimate(outcome=_unavailable(name)) for name in names if name in self.failed}


def load_learned(versions: Mapping[str, str], root: Path) -> Learned:
    """Load and check every model: hashes, golden predictions, and contributions that add up.

    Raises
    ------
    ContentError
        If a version is not there: that is a mistake of the configuration, not of the model.
    """
    artefacts: dict[str, Artefact] = {}
    models: dict[str, RiskModel] = {}
    for name, version in versions.items():
        if not (root / "models" / name / version).is_dir():
            raise ContentError(f"models/{name}/{version} is not there", field=f"models.{name}")
        try:
            found = artefact(name, version, root=root)
            model = RiskModel.from_artefact(found)
            model.self_check()
        except ContentError as error:
            _LOG.error("model failed", where=f"models/{name}", reason=error.message)
            continue
        artefacts[name], models[name] = found, model
    return Learned(models=models, artefacts=artefacts, failed=frozenset(versions.keys() - models.keys()))


def _unavailable(name: str) -> Abstained:
    return Abstained(name=name, reasons=(Lack(name=FAILED, why="unavailable"),))
