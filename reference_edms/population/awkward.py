"""Values that real systems hold and that careless tools change, lose or choke on."""

from __future__ import annotations

import random
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "  leading and trailing  ",
    "Prüfanweisung für Größenmaße – § 4 Abs. 2 ½ °C",
    "文書管理規程　第三版",
    "Порядок управления документами",
    "مراقبة الوثائق ‏(RTL)‏",
    "👩‍🔬🧪 batch record ✅ 🇨🇭",
    "e\u0301 decomposed beside é composed",
    "control \x01\x02\x07\x08\x0b\x0c\x0e\x1b\x1f\x7f\x85 characters",
    "line\nfeed, carriage\rreturn, both\r\nand\ttab",
    "separators \u2028\u2029\u200b\ufeff\u00a0",
    "quotes ' \" ` and \\ backslash \\n \\N \\. \\x41",
    "NULL",
    "\\N",
    "a,b;c|d\te",
    '{"looks": "like json"}',
    "<b>markup & entities</b> &amp; ]]> --> %s {0} ${x}",
    "'; DROP TABLE documents_document; --",
    "1e5",
    "0012",
    "true",
    "\U0010ffff outermost code point",
)

INTEGERS: tuple[int, ...] = (2**63 - 1, -(2**63), 0, -1, 2**53 + 1, 2**31, 1)

DECIMALS: tuple[Decimal, ...] = (
    Decimal("0"),
    Decimal("0.00000001"),
    Decimal("-0.1"),
    Decimal("1234567890.12345678"),
    Decimal("100"),
    Decimal("-999999.50"),
)

FLOATS: tuple[float, ...] = (0.1, 1 / 3, -2.5e-300, 1.7976931348623157e308, 1e22, 5e-324)

DATES: tuple[date, ...] = (
    date(1789, 7, 14),
    date(1899, 12, 31),
    date(1582, 10, 10),
    date(1, 1, 1),
    date(2000, 2, 29),
    date(9999, 12, 31),
)

TIMES: tuple[time, ...] = (time(0), time(23, 59, 59, 999999), time(12, 30, 0, 1))

DURATIONS: tuple[timedelta, ...] = (
    timedelta(0),
    timedelta(days=730),
    timedelta(microseconds=1),
    timedelta(days=-1, seconds=3, microseconds=500001),
)

FILE_NAMES: tuple[str, ...] = (
    "with several   spaces.pdf",
    " leading space.txt",
    "-leading-dash.pdf",
    "--help",
    ".hidden",
    'quote\'s and "double".txt',
    "100% of %s %2F %00.txt",
    "Übersicht 文書 🧪.docx",
    "e\u0301te\u0301 decomposed.txt",
    "no extension",
    "semi;colon&ampersand$dollar`tick.txt",
    "brackets [1] (2) {3} *.txt",
    "back\\slash.txt",
    "long-" + "x" * 180 + ".txt",
    "trailing.dot.",
)

JSON_VALUES: tuple[Any, ...] = (
    {},
    [],
    None,
    {"big": 2**63 - 1, "bigger": 2**80, "negative": -(2**70), "float": 0.1, "tiny": 1e-300},
    {"integer": 1, "same as float": 1.0, "exponent": 1e22, "precise": 0.30000000000000004},
    {"nested": {"list": [1, [2.5, [None, True, False, {"deep": "ünï 🧪"}]]], "": "empty key"}},
    {"zebra": 1, "apple": 2, "Apfel": 3, "order": ["matters", "here"], "text": '\t\n\u2028"'},
    "only a string",
    3.5,
    [{"empty": {}, "none": None, "blank": ""}],
)


def long_text(rng: random.Random) -> str:
    """Return about 100 kB of varied text."""
    words = ("procedure", "Prüfung", "校正", "shall", "record", "deviation", "🧪", "sample")
    return " ".join(rng.choices(words, k=16_000))[:100_000]
