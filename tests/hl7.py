"""HL7 v2 messages for tests, written as interfaces write them."""

from __future__ import annotations

from datetime import datetime

from cds_app.adapters.mllp import END, START
from tests.conftest import FROZEN, MRN

SYSTEMS = {"HOSP/MR": MRN, "2.16.840.1.113883.4.1": "http://national.example"}


def stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S+0000")


def msh(kind: str, control: str = "M1", *, at: datetime = FROZEN, charset: str = "UNICODE UTF-8") -> str:
    return f"MSH|^~\\&|LAB|HOSP|TWIN|HOSP|{stamp(at)}||{kind}|{control}|P|2.5.1||||||{charset}"


def pid(mrn: str = "4711") -> str:
    return f"PID|1||{mrn}^^^HOSP^MR||Doe^Jane||19610203|F"


def obx(code: str = "2823-3^Potassium^LN", value: str = "5.9", unit: str = "mmol/L", **more: str) -> str:
    kind, sub, status = more.get("kind", "NM"), more.get("sub", ""), more.get("status", "F")
    tail = more.get("tail", "")
    return f"OBX|1|{kind}|{code}|{sub}|{value}|{unit}|||||{status}|||{more.get('at', '')}{tail}"


def oru(*rows: str, mrn: str = "4711", control: str = "M1", at: datetime = FROZEN, order: str = "F1") -> bytes:
    """A result message; results are of the time of the order."""
    obr = f"OBR|1|P1|{order}|24323-8^CMP^LN|||{stamp(FROZEN)}"
    return message(msh("ORU^R01^ORU_R01", control, at=at), pid(mrn), "PV1|1|I|ICU^1^1", obr, *rows)


def adt(event: str, *rows: str, control: str = "A1", at: datetime = FROZEN, mrn: str = "4711") -> bytes:
    return message(msh(f"ADT^{event}", control, at=at), f"EVN|{event}|{stamp(at)}", pid(mrn), *rows)


def message(*segments: str) -> bytes:
    return ("\r".join(segments) + "\r").encode()


def framed(*messages: bytes) -> bytes:
    return b"".join(START + one + END for one in messages)


def ack(answer: bytes) -> tuple[str, str, str]:
    """Code, control id and reason of an acknowledgement."""
    msa = next(line for line in answer.decode().split("\r") if line.startswith("MSA|")).split("|")
    return msa[1], msa[2], msa[3] if len(msa) > 3 else ""
