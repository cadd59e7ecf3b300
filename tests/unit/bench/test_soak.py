"""The verdict of a soak: the last fifth against the first."""

from __future__ import annotations

from cds_app.bench.soak import Minute, summary


def minute(rss_mib: float, *, files: int = 40, not_ok: int = 0, p99_ms: float = 30.0) -> Minute:
    return Minute(requests=3000, not_ok=not_ok, p50_ms=10.0, p99_ms=p99_ms, rss_mib=rss_mib, files=files)


def test_growth_is_seen_from_the_first_fifth_to_the_last() -> None:
    found = summary([minute(400), minute(402), *(minute(500) for _ in range(6)), minute(440), minute(442)])
    assert found["memory_growth_percent"] == 9.98
    assert found["requests"] == 30_000


def test_files_and_failures_are_counted() -> None:
    found = summary([minute(400), minute(400, not_ok=2), minute(400), minute(400), minute(400, files=43, p99_ms=60.0)])
    assert (found["files_growth"], found["not_ok"], found["p99_ms_first_and_last"]) == (3, 2, [30.0, 60.0])
