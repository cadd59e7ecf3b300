"""What the free texts of the IWPC file name: medicines and conditions, by class.

Entries are separated by semicolons or commas; one that begins with "not", "no", "denies" or "without" denies something
and names nothing. Words are as the sites wrote them, misspellings included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cds_app.score.warfarin.subject import Listed

Words = Mapping[str, re.Pattern[str]]

_DENIED: Final = re.compile(r"(?:no|not|denies|without)\s+(.*)")
_NONE: Final = frozenset({"none", "no comorbidities", "no interacting medications"})


def _compiled(words: Mapping[str, str]) -> Words:
    return {name: re.compile(pattern) for name, pattern in words.items()}


MEDICINE_WORDS: Final = _compiled(
    {
        "amiodarone": r"amiod|cordar|pacerone",
        "inducer": r"carbamaz|tegretol|phenyto|dilantin|rifamp|phenobarb|primidone|barbit",
        "statin": r"statin|lipitor|zocor|crestor|pravachol|lescol|mevacor",
        "fibrate": r"gemfib|fenofib|lopid|tricor",
        "thyroid": r"thyrox|synthroid|levothroid|levoxyl",
        "digoxin": r"digox|lanoxin",
        "loop_diuretic": r"furosem|lasix|torsem|bumet",
        "allopurinol": r"allopur",
        "proton_pump": r"prazole|nexium|prilosec",
        "azole": r"conazole|diflucan|metronid",
        "antibiotic": r"floxacin|mycin|sulfameth|bactrim|trimeth",
        "cimetidine": r"cimetid",
        "vitamin_k": r"vitamin k|\bmvi\b|multivit|multi-vit",
        "vitamin_e": r"vitamin e|tocoph",
        "fish_oil": r"fish oil|omega",
        "nsaid": r"ibuprof|naprox|celecox|rofecox|vioxx|celebrex|bextra",
        "ssri": r"fluoxet|sertral|paroxet|citalop|fluvox|prozac|zoloft",
        "steroid": r"predni",
        "inhibitor": r"propafen|fluvox",
        "calcium_blocker": r"diltiaz|verapam|cardizem",
        "metformin": r"metform",
        "sulfonylurea": r"glyb|glipiz|glimep",
        "beta_blocker": r"lol\b|toprol",
        "angiotensin": r"pril\b|sartan",
        "spironolactone": r"spironol",
        "clopidogrel": r"clopid|plavix",
        "heparin": r"heparin|enoxap|lovenox",
        "cyp2c9_inhibitor": r"inhibit2c9",
        "cyp2c9_substrate": r"substrate2c9",
        "antimetabolite": r"azathio|mercaptop|methotrex",
        "tramadol": r"tramad|propoxy",
    }
)
CONDITION_WORDS: Final = _compiled(
    {
        "hypertension": r"hypertens",
        "cancer": r"cancer|malig|carcin|lymph|leuk|tumou?r",
        "liver": r"liver|hepat|cirrh",
        "kidney": r"renal|kidney|crf|esrd|dialys",
        "thyroid": r"thyroid",
        "atrial_fibrillation": r"fibril|flutter|\baf\b",
        "heart_failure": r"heart failure|chf|cardiomyop",
        "thrombosis": r"thromb|pulmonary emb|dvt",
        "stroke": r"stroke|cerebr|cva|tia\b|ischemic att",
        "lipids": r"lipid|cholest",
        "coronary": r"coronary|cad|myocard|cabg|infarct",
        "valve": r"valv|mitral|aort",
        "obesity": r"obes",
        "lung": r"pulmonary dis|copd|respir|asthma",
        "stenosis": r"stenosis",
    }
)


def listed(text: str, words: Words) -> Listed | None:
    """What a text names; None where there is no text.

    Parameters
    ----------
    text : str
        A cell of the file.
    words : mapping
        `MEDICINE_WORDS` or `CONDITION_WORDS`.
    """
    entries = [one for part in re.split(r"[;,]", text.lower()) if (one := part.strip())]
    if not entries:
        return None
    kept = [one for one in entries if one not in _NONE and not _DENIED.fullmatch(one)]
    named = {name for name, pattern in words.items() if any(pattern.search(one) for one in kept)}
    if not _NONE.isdisjoint(entries):
        named |= {"none"}
    return Listed(named=frozenset(named), entries=len(kept))
