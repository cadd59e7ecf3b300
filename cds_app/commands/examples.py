"""Examples at the end of a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Lines to copy, as the ``epilog`` of a command, kept apart as click wants it marked."""
    return "\b\nExamples:\n" + "\n".join(f"  {one}" for one in lines)
