from __future__ import annotations

import numpy as np
import pytest

from cds_app.errors import ContentError
from cds_app.simulate.kinetics.formulas import MAX_CHARACTERS, read_formula


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14.0),
        ("(2+3)*4", 20.0),
        ("2-3-4", -5.0),
        ("12/3/2", 2.0),
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("2^-1", 0.5),
        ("--2", 2.0),
        ("1.5e1 + 2E-1", 15.2),
        ("max(1, min(A, 3))", 2.0),
        ("exp(0)*log10(100)+sqrt(B)-log(1)", 5.0),
        ("A*B", 18.0),
    ],
)
def test_a_formula_has_the_value_of_schoolbooks(text: str, value: float) -> None:
    assert read_formula(text).value({"A": 2.0, "B": 9.0}) == pytest.approx(value)


def test_a_formula_is_worked_out_elementwise() -> None:
    found = read_formula("3*(A/2)^2").value({"A": np.array([2.0, 4.0])})
    np.testing.assert_allclose(found, [3.0, 12.0])


def test_a_formula_says_which_names_it_needs() -> None:
    assert read_formula("exp(A)+B_1*A-7").names == {"A", "B_1"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1+",
        "(1",
        "1)",
        "1 2",
        "2*/3",
        "__import__('os')",
        "A.b",
        "A[0]",
        "eval(1)",
        "exp(1,2)",
        "max(1)",
        "lambda: 1",
        "1;2",
        "(" * 60 + "1" + ")" * 60,
        "-" * 60 + "1",
        "2^" * 60 + "1",
        "1+" * MAX_CHARACTERS + "1",
    ],
)
def test_what_is_outside_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        read_formula(text)
