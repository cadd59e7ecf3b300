"""A process that forks writers to be killed: one line on stdin starts one, its acknowledgements come out on stdout.

Run as ``python crashing_writer.py <database url>``. One line in: seed of the writer. Lines out: ``pid <pid>``, then
``ack <patient> <segment> <tag>`` for every commit that returned, then ``gone``.
"""

from __future__ import annotations

import os
import sys
from threading import Thread

from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import Conflict
from tests.stores import commit_to, decision, facts, feedback, known_of, vault

THREADS = 4


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one write: lines of several threads stay whole


def write(store: SqlStore, seed: str, thread: int) -> None:
    patient = store.pseudonym("north", f"pat-{thread % 3}")  # two threads share a patient
    for turn in range(100_000):
        tag = f"{seed}-{thread}-{turn}"
        commit = commit_to(
            patient,
            known=known_of(store, patient),
            facts=facts(3, name=tag),
            decisions=(decision(id=f"{tag}-a"), decision(id=f"{tag}-b")),
            feedback=(feedback(tag),),
        )
        try:
            say("ack", patient, store.commit(commit), tag)
        except Conflict:
            continue


def work(url: str, seed: str) -> None:
    store = SqlStore(url, vault())
    threads = [Thread(target=write, args=(store, seed, thread)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def serve(url: str) -> None:
    while seed := sys.stdin.readline().strip():
        pid = os.fork()
        if pid == 0:
            work(url, seed)
            return
        say("pid", pid)
        os.waitpid(pid, 0)
        say("gone")


if __name__ == "__main__":
    serve(sys.argv[1])
