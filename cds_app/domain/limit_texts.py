"""Texts of the content, whose limits name a quantity and its canonical value, as a site reads them.

- ``{glucose 180}`` reads "180 mg/dL", or "10.0 mmol/L"; ``{glucose 140-180}`` is a range;
- ``{glucose 180 bare}`` is the number alone, where the unit goes without saying; in any unit but the canonical one it
  is told with it;
- ``{change creatinine 0.3}`` is a difference, for which a zero that lies elsewhere (degrees) does not count;
- ``{calcium 14 = 3.5 mmol/L}`` has the source's own words for the same limit: "14 mg/dL (3.5 mmol/L)", and where that
  is the unit that is read, "3.5 mmol/L"; with ``or`` in place of ``=`` it is told in that unit alone.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError

_NUMBER: Final = r"\d+(?:\.\d+)?"
_LIMIT: Final = re.compile(
    rf"\{{(?P<change>change )?(?P<quantity>[a-z][a-z0-9_]*) (?P<low>{_NUMBER})(?:-(?P<high>{_NUMBER}))?"
    r"(?P<bare> bare)?(?: (?P<beside>=|or) (?P<source>[^{}]+))?\}"
)


def worded(text: str, ontology: Ontology) -> str:
    """A text of the content with its limits as the site reads them.

    Raises
    ------
    ContentError
        Naming a limit of a quantity that the ontology does not know, or that has no number.
    """
    return _LIMIT.sub(partial(_limit, ontology), text) if "{" in text else text


def _limit(ontology: Ontology, found: re.Match[str]) -> str:
    quantity, source = found["quantity"], found["source"] or ""
    if not ontology.measuring(quantity) or not ontology.quantity(quantity).numeric:
        raise ContentError(f"{found[0]} is the limit of no quantity that is measured", field=found[0])
    told = ontology.quantity(quantity).told
    stated = [one for one in (found["low"], found["high"]) if one]
    if not told.canonical:
        said = "-".join(stated) if found["bare"] else f"{'-'.join(stated)} {told.text}".rstrip()
        return f"{said} ({source})" if found["beside"] == "=" else said
    if source.endswith(f" {told.text}"):
        return source
    numbers = told.limit(*map(float, stated), change=bool(found["change"]))
    return f"{'-'.join(numbers)} {told.text}".rstrip()
