"""What cannot be read of a file is refused with its column and row; what is in doubt is remarked on."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cds_app.errors import DataError
from cds_app.learn.warfarin.iwpc import COLUMNS, DOSE, STABLE, load
from cds_app.learn.warfarin.words import CONDITION_WORDS, MEDICINE_WORDS, listed
from cds_app.score.warfarin.subject import CONDITIONS, MEDICINES, SNPS, Listed, Subject, Target
from tests.warfarin import RS9923231, RS9934438, Cells, cells, save

RANGE = "Estimated Target INR Range Based on Indication"
INDICATION = "Indication for Warfarin Treatment"


def subject(tmp_path: Path, changed: Cells) -> Subject:
    return load(save(tmp_path / "people.csv", [cells() | changed])).subjects[0]


def test_a_row_is_read_in_full(tmp_path: Path) -> None:
    found = subject(
        tmp_path,
        {
            "Height (cm)": "170.5",
            "Weight (kg)": "NA",
            "Ethnicity": "Hispanic or Latino",
            "Diabetes": "1",
            "Aspirin": "0.0",
            INDICATION: "1 or 2",
            "Target INR": "2.5",
            "Medications": "Cordarone; not aspirin",
        },
    )
    assert (found.age_decade, found.male, found.race, found.hispanic) == (6, True, "white", True)
    assert (found.height_cm, found.weight_kg, found.cyp2c9) == (170.5, None, (1, 1))
    assert found.recorded == {"diabetes": True, "aspirin": False}
    assert found.indications == frozenset({1, 2})
    assert found.target_inr == Target(value=2.5)
    assert found.medicines == Listed(named=frozenset({"amiodarone"}), entries=1)
    assert found.conditions is None


def test_an_empty_cell_is_nothing_known(tmp_path: Path) -> None:
    empty = dict.fromkeys((*COLUMNS, STABLE, DOSE), "") | {"Race": "Unknown"}
    found = load(save(tmp_path / "people.csv", [empty]))
    assert found.subjects == (Subject(),)
    assert (found.doses, found.stable, found.remarks) == ((None,), (False,), ())


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    path = save(tmp_path / "people.csv", [cells()], but=[column])
    with pytest.raises(DataError, match="lacks the column") as refused:
        load(path)
    assert refused.value.field == column


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "people.csv", [cells()])
    path.write_text(path.read_text().replace("Ethnicity", "Race", 1))
    with pytest.raises(DataError, match="more than once"):
        load(path)


@pytest.mark.parametrize(
    ("column", "wrong", "said"),
    [
        ("Weight (kg)", "heavy", "no number"),
        ("Weight (kg)", "7_0", "no number"),
        ("Height (cm)", "nan", "no number"),
        ("Height (cm)", "inf", "no number"),
        ("Age", "65", "not an age band"),
        ("Age", "60 - 70", "not an age band"),
        ("Gender", "m", "not male or female"),
        ("Diabetes", "yes", "not 0 or 1"),
        (STABLE, "2", "not 0 or 1"),
        (RS9923231, "A/C", "no genotype of G and A"),
        (RS9923231, "GA", "no genotype of G and A"),
        (RS9923231, "A/G/G", "no genotype of G and A"),
        (RS9934438, "A/G", "no genotype of C and T"),
        ("CYP2C9 consensus", "1/3", "no pair of star alleles"),
        ("CYP2C9 consensus", "*1/*0", "no pair of star alleles"),
        ("CYP2C9 consensus", "*1/*99", "no pair of star alleles"),
        ("Cyp2C9 genotypes", "*1", "no pair of star alleles"),
        ("Target INR", "25", "no INR"),
        ("Target INR", "two", "no number"),
        (RANGE, "3", "no range"),
        (RANGE, "3-2", "no range"),
        (RANGE, "low-high", "no range"),
        (DOSE, "much", "no number"),
        (DOSE, "-7", "not above 0"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row_and_never_repeated(
    tmp_path: Path, column: str, wrong: str, said: str
) -> None:
    changed = {"CYP2C9 consensus": ""} if column == "Cyp2C9 genotypes" else {}
    path = save(tmp_path / "people.csv", [cells(), cells() | changed | {column: wrong}])
    with pytest.raises(DataError, match=said) as refused:
        load(path)
    assert (column in refused.value.message, refused.value.field) == (True, "row 1")
    assert f" {wrong} " not in f" {refused.value.message} "


@pytest.mark.parametrize(
    ("column", "odd"), [("Race", "Martian"), ("Ethnicity", "maybe"), (INDICATION, "9"), (INDICATION, "valve")]
)
def test_what_is_read_as_unknown_is_remarked_on(tmp_path: Path, column: str, odd: str) -> None:
    found = load(save(tmp_path / "people.csv", [cells(), cells() | {column: odd}]))
    assert [(one.row, one.column) for one in found.remarks] == [(1, column)]
    assert "unknown" in found.remarks[0].text


@pytest.mark.parametrize(
    ("one", "other", "text", "copies"), [("A/A", "C/C", "opposite", None), ("A/A", "C/T", "one allele", 2)]
)
def test_positions_that_disagree_are_remarked_on(
    tmp_path: Path, one: str, other: str, text: str, copies: int | None
) -> None:
    found = load(save(tmp_path / "people.csv", [cells() | {RS9923231: one, RS9934438: other}]))
    assert text in found.remarks[0].text
    assert found.subjects[0].sensitive_alleles == copies


def test_the_raw_genotype_is_used_where_there_is_no_consensus(tmp_path: Path) -> None:
    assert subject(tmp_path, {"CYP2C9 consensus": "", "Cyp2C9 genotypes": "*2/*3"}).cyp2c9 == (2, 3)


def test_the_middle_of_a_range_is_the_target_where_there_is_no_other(tmp_path: Path) -> None:
    assert subject(tmp_path, {RANGE: "2-3.5"}).target_inr == Target(value=2.75, low=2.0, high=3.5)


def test_plain_and_zipped_files_are_read_alike_and_rows_keep_their_order(tmp_path: Path) -> None:
    rows = [cells() | {"Weight (kg)": str(kg)} for kg in (50, 60, 70)]
    plain, zipped = save(tmp_path / "a.csv", rows), save(tmp_path / "b.csv.gz", rows, zipped=True)
    assert load(plain) == load(zipped)
    assert [one.weight_kg for one in load(plain).subjects] == [50.0, 60.0, 70.0]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"\x1f\x8bno gzip", gzip.compress(b"Age\n60")[:-6], b'a,b\n"open'], ids=range(5)
)
def test_what_is_no_file_of_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        load(path)


def test_a_file_without_rows_and_a_row_without_cells_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "people.csv", [cells()])
    header, row = path.read_text().splitlines()
    path.write_text(header + "\n")
    with pytest.raises(DataError, match="no rows"):
        load(path)
    path.write_text(f"{header}\n{row}\n{row},more\n")
    with pytest.raises(DataError, match="row 1 has another number of cells"):
        load(path)


def test_what_a_text_denies_it_does_not_name() -> None:
    found = listed("not amiodarone; no statin; Lasix, carvedilol", MEDICINE_WORDS)
    assert found == Listed(named=frozenset({"loop_diuretic", "beta_blocker"}), entries=2)
    assert listed(" ; ", MEDICINE_WORDS) is None
    assert listed("None", MEDICINE_WORDS) == Listed(named=frozenset({"none"}), entries=0)


def test_words_name_what_a_subject_can_have() -> None:
    assert set(MEDICINE_WORDS) | {"none"} == set(MEDICINES)
    assert set(CONDITION_WORDS) == set(CONDITIONS)
    assert sum(column.startswith("VKORC1") for column in COLUMNS) == len(SNPS)
