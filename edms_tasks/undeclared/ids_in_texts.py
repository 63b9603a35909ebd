"""Find ids in texts: in members of JSON, attributes of tags and addresses, at any depth.

A text is not parsed. It is searched by regular expressions, once for each of a few forms, so that memory grows with its size and
not with its depth. Backslashes are removed first, so that JSON within strings of JSON reads like any other. Each form returns the
name before the id: the key, the attribute, or the word in a path.
"""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.quoting import literal

UUID = r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
ID = rf"(?:{UUID}|[1-9][0-9]{{0,17}})"
"""What ids look like: UUIDs, and whole numbers above zero."""

_ITEM = rf"(?:{ID}|0)"  # in place of a declared id stands 0
_SOME = rf"{_ITEM}(?:\s*[,;|]\s*{_ITEM})*"
_IDS = rf'"?{_ITEM}"?(?:\s*[,;|]\s*"?{_ITEM}"?)*'
_SEPARATED = rf'[\[{{(]?\s*"?{_ITEM}"?(?:\s*[,;|\s]\s*"?{_ITEM}"?)+\s*[\]}})]?'
_ENCLOSED = rf"(?:[,;|/]{_ITEM}(?:[,;|/]{_ITEM})*[,;|/]?|{_ITEM}(?:[,;|/]{_ITEM})*[,;|/])"  # ,12,34, and /12/34/
LIST = rf"(?:{_SEPARATED}|{_ENCLOSED}|{_ITEM}(?:/{_ITEM}){{3,}})"
"""A text that is a list of ids and nothing else, with separators between them or around each; a path of ids too."""

JOINED = rf"{_ITEM}(?:[-_:/]{_ITEM}){{1,2}}"
"""A text that joins two or three ids: 12-34."""
YEAR_FIRST = r"(?:19|20)[0-9]{2}[-_:/].*"

_ZEROS = r"0*"  # 0000012 in the name of a file
_PADDED = rf"0+(?:{ID})"
_FRACTION = r"(?:\.0+)?"  # some programs write 12.0 for 12 in JSON
_WORD = r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z]+)*"
_KEY = r'"([^"]{1,80})"'
_FIELD = r'"(?:field|attribute|property|column|attr|lhs|name|key)"\s*:\s*"([A-Za-z][A-Za-z0-9_.-]{0,79})"'
_KIND = r"""(?:type|kind|model|linktype|embedtype)["']?\s*[:=]\s*["']?([A-Za-z][A-Za-z0-9_.-]*)"""


@dataclass(frozen=True)
class IdForm:
    """One form in which texts contain ids, as regular expressions."""

    name: str
    said: str  # of a place, with {} for its name: for people
    within: str  # a text must have one of these characters for it
    near: str  # and match this regular expression, which is quicker to prepare than the others
    whole: str  # a regular expression for the place
    key: str  # one within that, whose group is the name; "" for the name of the column
    ids: str  # one within that, whose group is the id or the ids
    several: bool = False
    kind: bool = False  # what the place says of its type is a part of its name


OTHER_LIST = "other list"
"""The form of lists that may be something else as well: padded with zeros, or with dots between the ids."""

FORMS = (
    IdForm(
        "member",
        "at {!r} in its JSON",
        '"',
        r':\s*"?[0-9a-fA-F]',
        rf'{_KEY}\s*:\s*"?{ID}{_FRACTION}"?\s*[,}}\]]',
        rf"^{_KEY}",
        rf'({ID}){_FRACTION}"?\s*[,}}\]]$',
    ),
    IdForm(
        "members",
        "in lists at {!r} in its JSON",
        "[",
        r'"\s*:\s*\[',
        rf"{_KEY}\s*:\s*\[\s*{_IDS}\s*\]",
        rf"^{_KEY}",
        r"\[\s*([^\]]*)\]$",
        several=True,
    ),
    IdForm(
        "pair",
        "in pairs with {!r} in its JSON",
        "[",
        r'\[\s*"',
        rf"\[\s*{_KEY}\s*,\s*\[?\s*{_IDS}\s*\]?\s*\]",
        rf"^\[\s*{_KEY}",
        r'^\[\s*"[^"]*"\s*,\s*(.*)$',
        several=True,
    ),
    IdForm(
        "condition",
        "in conditions on {!r} in its JSON",
        "[",
        r'\[\s*"',
        rf'\[\s*{_KEY}\s*,\s*"[^"]{{1,20}}"\s*,\s*\[?\s*{_IDS}\s*\]?\s*\]',
        rf"^\[\s*{_KEY}",
        r'^\[\s*"[^"]*"\s*,\s*"[^"]*"\s*,\s*(.*)$',
        several=True,
    ),
    IdForm(
        "field",
        "in conditions on the field {!r} in its JSON",
        "{",
        r'"(?:field|attribute|property|column|attr|lhs|name|key)"',
        rf"\{{[^{{}}]*{_FIELD}[^{{}}]*\}}",
        _FIELD,
        rf'"(?:value|values|val|operand|is|in|eq)"\s*:\s*\[?\s*({_IDS})\s*\]?\s*[,}}]',
        several=True,
    ),
    IdForm(
        "array",
        "in lists in its JSON",
        "[",
        r'\[\s*"?[0-9a-fA-F]',
        rf"\[\s*{_IDS}\s*\]",
        "",
        r"^\[(.*)\]$",
        several=True,
    ),
    IdForm(
        "keys",
        "as keys at {!r} in its JSON",
        "{",
        r'\{\s*"[0-9a-fA-F]',
        rf'{_KEY}\s*:\s*\{{\s*"{ID}"\s*:',
        rf"^{_KEY}",
        rf'"({ID})"\s*:$',
        several=True,
    ),
    IdForm(
        "first",
        "first in lists with texts in its JSON",
        "[",
        r'\[\s*"?[0-9a-fA-F]',
        rf'\[\s*"?{ID}"?\s*,\s*"[A-Za-z]',
        "",
        rf'^\[\s*"?({ID})',
        several=True,
    ),
    IdForm(
        "typed",
        "in objects of the type {!r} in its JSON",
        "{",
        r"type|kind|model",
        rf"\{{[^{{}}]*{_KIND}[^{{}}]*\}}",
        _KIND,
        rf'"(?:value|object|object_id|target|ref)"\s*:\s*"?({ID})"?\s*[,}}]',
        kind=True,
    ),
    # Apart from the others: the blocks of a stream have a value, and an id of their own.
    IdForm(
        "typed id",
        "as the id of objects of the type {!r} in its JSON",
        "{",
        r"type|kind|model",
        rf"\{{[^{{}}]*{_KIND}[^{{}}]*\}}",
        _KIND,
        rf'"(?:id|pk)"\s*:\s*"?({ID})"?\s*[,}}]',
        kind=True,
    ),
    IdForm(
        "tag",
        "in tags of {!r} in its text",
        "<",
        r"<[A-Za-z]",
        r"<[A-Za-z][^<>]*>",
        _KIND,
        rf"""\b(?:data-)?(?:id|pk|object_id|object-id|uuid)\s*=\s*["']?({ID})["'\s/>]""",
        kind=True,
    ),
    IdForm(
        "key",
        "as keys in its JSON",
        "{",
        r'[{,]\s*"[0-9a-fA-F]',
        rf'[{{,]\s*"{ID}"\s*:',
        "",
        rf'"({ID})"\s*:$',
        several=True,
    ),
    IdForm(
        "word",
        "after {!r} in its text",
        "=:/#_.-",
        r"""["'=:/#_.\s-][0-9a-fA-F]""",
        rf"""{_WORD}(?:\s#|[=:/#_-]{{1,2}}\s?|\.)["']?{_ZEROS}{_SOME}(?:[^0-9A-Za-z]|$)""",
        rf"^({_WORD})",
        rf"""(?:[=:/#_-]\s?|\.)["']?{_ZEROS}({_SOME})[^0-9A-Za-z]?$""",
        several=True,
    ),
    IdForm(
        "element",
        "in elements {!r} in its text",
        "<",
        r">\s*[0-9a-fA-F]",
        rf"<{_WORD}(?:\s[^<>]*)?>\s*{ID}\s*</",
        rf"^<({_WORD})",
        rf">\s*({ID})\s*</$",
    ),
    IdForm(
        "inner element",
        "as the id of elements {!r} in its text",
        "<",
        r">\s*<(?:id|pk|uuid)>",
        rf"<{_WORD}(?:\s[^<>]*)?>\s*<(?:id|pk|uuid)>\s*{ID}\s*</",
        rf"^<({_WORD})",
        rf">\s*({ID})\s*</$",
    ),
    IdForm("padded", "padded with zeros", "0", r"^\s*0", rf"^\s*{_PADDED}\s*$", "", rf"0({ID})\s*$"),
    IdForm(
        OTHER_LIST,
        "in its lists",
        "0.",
        r"^[\s,;|/.0-9a-fA-F-]+$",
        rf"^\s*[,;|/.]?{_ZEROS}{ID}(?:\s*[,;|/.]\s*{_ZEROS}{ID})*[,;|/.]?\s*$",
        "",
        r"^(.*)$",
        several=True,
    ),
    IdForm(
        "sign",
        "after '#' in its text",
        "#",
        r"#[0-9a-fA-F]",
        rf"(?:^|[^0-9A-Za-z&])#{ID}(?:[^0-9A-Za-z]|$)",
        "",
        rf"#({ID})[^0-9A-Za-z]?$",
    ),
)


def readable_text(text: str) -> str:
    """SQL: a text without the backslashes before quotes, and with quotes in place of those that HTML escapes."""
    return f"replace(replace(replace({text}, '\\', ''), '&quot;', '\"'), '&#34;', '\"')"


def found(form: IdForm, source: str, column: str) -> str:
    """A SELECT of (name, value, weight, touched): the ids of one form in a relation of (text, weight, touched) of readable texts."""
    marks = " OR ".join(f"contains(text, {literal(mark)})" for mark in form.within)
    name = f"regexp_extract(whole, {literal(form.key)}, 1)" if form.key else literal(column)
    ids = f"regexp_extract(whole, {literal(form.ids)}, 1)"
    each = f"unnest(regexp_extract_all({ids}, {literal(ID)}))" if form.several else ids
    return f"""
        SELECT name, value, weight, touched
        FROM (
            SELECT {name} AS name, {each} AS value, weight, touched
            FROM (
                SELECT unnest(regexp_extract_all(text, {literal(form.whole)})) AS whole, weight, touched
                FROM {source}
                WHERE {marks}
            )
        )
        WHERE value <> ''
    """
