"""What an app is opened with: the patient, the stay, the user and what a card hands over. Launch tokens open once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cds_app.sandbox.smart.oauth import OAuthRefusal, Tickets

LAUNCH_LIFE_S: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """In which an app works.

    Parameters
    ----------
    user : str
        ``Practitioner/x``; "" where no person is there.
    patient, encounter : str
        Ids; "" for none.
    app_context : str
        What the card said that led here (CDS Hooks ``appContext``).
    framed : bool
        Whether the app stands beside a chart that shows who the patient is.
    """

    user: str = ""
    patient: str = ""
    encounter: str = ""
    app_context: str = ""
    framed: bool = False


class Launches:
    """Launch tokens that were made and not used yet.

    Parameters
    ----------
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._made = Tickets[tuple[str, Context]](LAUNCH_LIFE_S, clock)

    def make(self, client_id: str, context: Context) -> str:
        """A token with which this app, and no other, is opened once and soon."""
        return self._made.keep((client_id, context))

    def use(self, token: str, client_id: str) -> Context:
        """What stands behind a token, which is used up by asking.

        Raises
        ------
        OAuthRefusal
            If it is unknown, used, too old or another app's: the answer is the same for all of them.
        """
        whose, context = self._made.take(token) or ("", None)
        if context is None or whose != client_id:
            raise OAuthRefusal("invalid_request", "launch is unknown, used or too old")
        return context
