"""The spellings of a text that the search for original values looks at: without differences of case and of equivalent characters, and
with the escapes of JSON, HTML and URLs resolved.

Python's, over Arrow batches: DuckDB folds no case beyond single letters, and resolves none of these escapes.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

import pyarrow as pa

FOLDED = "edms_folded"
"""SQL function: text -> it without differences of case, white space and equivalent characters."""
SPELLINGS = "edms_spellings"
"""SQL function: text -> list of its folded spellings."""
BYTES_SPELLINGS = "edms_bytes_spellings"
"""SQL function: bytes -> list of the folded spellings of the texts that they may be."""
SPELLED_DIFFERENTLY = r"[^ -~]|[\\&%+]|  "
"""Pattern of what a text has if its spellings are others than itself in lower case."""

_LEVELS = 4  # JSON in JSON in JSON
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_ESCAPES = re.compile(r'(?:\\u[0-9a-fA-F]{4})+|\\["\\/bfnrt]')


def folded(text: str) -> str:
    """A text without differences of case, of white space, and of characters that Unicode calls compatible; without invisible ones."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.lower().replace("\0", " ").split())


def spellings(text: str) -> list[str]:
    """A text as it is, and with escapes resolved, also of escapes in escapes; folded."""
    found, newest = {text: None}, [text]
    for _ in range(_LEVELS):
        made = [plain for one in newest for plain in _resolved(one)]
        newest = [one for one in dict.fromkeys(made) if one not in found]
        found |= dict.fromkeys(newest)
    return list(dict.fromkeys(map(folded, found)))


def bytes_spellings(content: bytes) -> list[str]:
    """The spellings of bytes as UTF-8; of those that are none also as Latin-1, and as UTF-16 if they have zeros."""
    texts = [content.decode("utf-8", "replace")]
    if "\ufffd" in texts[0]:
        texts.append(content.decode("latin-1"))
    if b"\0" in content:
        texts += [
            content[first:].decode(encoding, "replace") for encoding in ("utf-16-le", "utf-16-be") for first in (0, 1)
        ]
    return list(dict.fromkeys(one for text in texts for one in spellings(text)))


def fold_texts(texts: pa.ChunkedArray) -> pa.Array:
    """`folded` of a batch."""
    return pa.array([None if text is None else folded(text) for text in texts.to_pylist()], pa.string())


def spell_texts(texts: pa.ChunkedArray) -> pa.Array:
    """`spellings` of a batch."""
    return pa.array([None if text is None else spellings(text) for text in texts.to_pylist()], pa.list_(pa.string()))


def spell_bytes(contents: pa.ChunkedArray) -> pa.Array:
    """`bytes_spellings` of a batch."""
    made = [None if content is None else bytes_spellings(content) for content in contents.to_pylist()]
    return pa.array(made, pa.list_(pa.string()))


def _resolved(text: str) -> Iterator[str]:
    """The text with one level of escapes resolved; also with + as the space of web forms."""
    for plain in (text, text.replace("+", " ")):
        if "\\" in plain:
            plain = _ESCAPES.sub(lambda found: _unescaped(found[0]), plain)
        if "&" in plain:
            plain = html.unescape(plain)
        if "%" in plain:
            plain = unquote(plain, errors="replace")
        yield plain


def _unescaped(escapes: str) -> str:
    return str(json.loads(f'"{escapes}"')).encode("utf-8", "replace").decode()
