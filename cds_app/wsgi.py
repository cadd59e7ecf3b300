"""The WSGI entry point, ``cds_app.wsgi:app``: the only app built at import, in the worker, after the fork.

xgboost, which is asked where our own engine does not read a model, imports scikit-learn and pandas when they are
installed and needs neither to predict. Serving keeps them out: that saves over a second at start and some 130 MB in
every worker.
"""

from __future__ import annotations

import gc
import sys

gc.disable()  # until everything is loaded: what is made at start stays, so that looking for garbage finds none

for _training_only in ("sklearn", "pandas"):
    sys.modules.setdefault(_training_only, None)  # type: ignore[arg-type]  # None makes its import fail

from cds_app.bootstrap import create_app  # noqa: E402 - after the lines above, or they come too late
from cds_app.settings import configured  # noqa: E402

app = create_app(configured())

# Calls compute one after the other. What the others need meanwhile is short (take a request, send an answer, see a
# commit through), so they get the interpreter soon and the one that computes hardly notices.
sys.setswitchinterval(0.0005)

# What was loaded stays for good: collections need not walk it, and a request's garbage is mostly acyclic.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)
gc.enable()
