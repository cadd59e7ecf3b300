"""Texts that somebody writes into a record, hoping that a card brings them to life; always the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

_PARTS = (
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "<svg/onload=alert(1)>",
    "<iframe src=//evil.example>", "<a href='javascript:alert(1)'>x</a>", "<!--", "-->", "<![CDATA[", "<?php ?>",
    "</p><b>", "<details open ontoggle=a>", "<style>*{}</style>", "<math><mtext></mtext></math>", "<x\tonclick=a>",
    "<a@evil.example>", "<https://evil.example>", "[a](https://evil.example)", "[a](javascript:alert(1))",
    "[a](<data:text/html,x>)", "[a][b]", "[b]: //evil.example", "![a](https://evil.example/a.png)", "[![a](b)](c)",
    "[^1]", "[^1]: note", "[x]", "- [ ] task", "# head", "head\n===", "> quote", "* item", "1. item", "1) item",
    "+ item", "---", "***", "___", "**bold**", "__bold__", "*it*", "_it_", "~~gone~~", "`code`", "```js\nx\n```",
    "    code", "| a | b |\n|---|---|\n| 1 | 2 |", "\\", "\\*", "<br>", "a  \nb", "https://evil.example/a?b=c",
    "http://evil.example", "www.evil.example", "WWW.EVIL.EXAMPLE", "ftp://evil.example/x", "evil.example", "evil.com",
    "//evil.com/a", "mailto:a@evil.com", "a@evil.com", "tel:555", "javascript:alert(1)", "xmpp:a@b.c/d",
    "HtTpS:/\u200b/evil.com", "https:\uff0f\uff0fevil.com", "https\uff1a//evil.com", "\uff57\uff57\uff57.evil.com",
    "&lt;script&gt;", "&#60;script&#62;", "&#x3C;img src=x&#x3e;", "&colon;", "&NewLine;", "&amp;lt;b&amp;gt;",
    "&#0;", "&lsqb;a&rsqb;&lpar;//evil.com&rpar;", "&#91;a&#93;&#40;//evil.com&#41;", "%3Cscript%3E",
    "\u202egnp.exe\u202c", "\u2066x\u2069", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0000", "\b", "\u001b[31m",
    "\r\n", "\n\n", "\u2028", "\u2029", "\u0085", "\t", "\ud800", "\ue000", "\U000e0041", "e\u0301\u0301", "\u0338",
    "{{ 7*7 }}", "{% raw %}", "{# x #}", "${7*7}", "<%= 7 %>", "#{7}", "$x^2$", "$$x$$", ":smile:", "@someone",
    "#123", "GH-1", "10\u00b2", "\"", "'", "<", ">", "&", "%", ";", ",", ".", " ", "potassium", "5.1 mmol/L",
    "\u00fc", "\u202e", "\ufe64script\ufe65", "\uff1cscript\uff1e", "\u2768a\u2769",
)  # fmt: skip


def texts(count: int, seed: int = 20261126) -> Iterator[str]:
    """Every part by itself, then runs of one to six, some cut and some with single characters strewn in."""
    chance = random.Random(seed)
    yield from _PARTS[:count]
    for _ in range(count - len(_PARTS)):
        made = chance.choice(["", " ", "\n"]).join(chance.choices(_PARTS, k=chance.randint(1, 6)))
        if chance.random() < 0.3:
            at = chance.randrange(len(made) + 1)
            made = made[:at] + chance.choice("\u200b\x00\n\t<>[]()*_`!&;:/\\|~#\u202e") + made[at:]
        yield made[chance.randrange(3) :] if chance.random() < 0.2 else made
