"""Secrets that count once count once however many come at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from cds_app.sandbox.smart.authorisation import Addressee, AskedFor
from cds_app.sandbox.smart.clients import SmartClient
from cds_app.sandbox.smart.launches import Context, Launches
from cds_app.sandbox.smart.oauth import OAuthRefusal, Tickets
from cds_app.sandbox.smart.tokens import Issued, Tokens
from tests.unit.sandbox.smart_app import CALLBACK, VERIFIER, challenge, clients

CLIENT: SmartClient = clients()[0]
ASKED = AskedFor(
    to=Addressee(client=CLIENT, redirect_uri=CALLBACK),
    scopes=("launch", "patient/Patient.r", "online_access"),
    state="s",
    challenge=challenge(),
    nonce="",
    context=None,
)
CONTEXT = Context(user="Practitioner/x", patient="p")
MANY = 16


def together(once: Callable[[], object]) -> list[object]:
    """What became of many tries at the same moment: refusals are None."""

    def attempt(_: int) -> object:
        try:
            return once()
        except OAuthRefusal:
            return None

    with ThreadPoolExecutor(MANY) as pool:
        return [one for one in pool.map(attempt, range(MANY)) if one is not None]


def code_form(code: str) -> dict[str, str]:
    return {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


def test_of_many_who_bring_a_code_one_gets_a_token_and_it_has_ended() -> None:
    tokens = Tokens()
    form = code_form(tokens.code(ASKED, CONTEXT))
    (won,) = together(lambda: tokens.redeem(CLIENT, form))
    assert isinstance(won, Issued)
    assert tokens.find(won.token) is None  # the others showed that the code had leaked


def test_of_many_who_bring_a_refresh_token_one_gets_a_token_and_it_has_ended() -> None:
    tokens = Tokens()
    first = tokens.redeem(CLIENT, code_form(tokens.code(ASKED, CONTEXT)))
    (won,) = together(lambda: tokens.refresh(CLIENT, {"refresh_token": first.refresh}))
    assert isinstance(won, Issued)
    assert tokens.find(won.token) is None


def test_of_many_who_bring_a_launch_token_one_is_let_in() -> None:
    launches = Launches()
    token = launches.make(CLIENT.id, CONTEXT)
    assert together(lambda: launches.use(token, CLIENT.id)) == [CONTEXT]


def test_requests_that_nobody_answers_give_way_to_newer_ones() -> None:
    pending = Tickets[AskedFor](60.0)
    names = [pending.keep(ASKED) for _ in range(1010)]
    assert len(pending._kept) == 1000
    assert pending.take(names[-1]) is ASKED


def test_what_has_ended_is_forgotten() -> None:
    at = [0.0]
    tokens = Tokens(clock=lambda: at[0])
    for _ in range(5):
        tokens.mint("x", ("patient/Patient.r",), CONTEXT)
        at[0] += 400
    assert len(tokens._kept.access) == 1
