"""What `--only MODEL:COLUMN=VALUE` matches: the text as it is, and `*` any text."""

from __future__ import annotations

from fnmatch import fnmatchcase

import duckdb
from hypothesis import example, given
from hypothesis import strategies as st

from edms_tasks.merging.selection import like_pattern

TEXT = st.text(st.sampled_from("aB\\*?[]!%_é\n"), max_size=6)


@given(TEXT, TEXT)
@example("C:\\docs\\a.pdf", "C:\\docs\\*")
@example("50%", "50%")
@example("500", "50%")
def test_only_the_star_is_special(value: str, pattern: str) -> None:
    # Python's own: there `?` and `[` are special too, and in brackets they are not.
    expected = fnmatchcase(value, "".join(f"[{one}]" if one in "?[" else one for one in pattern))
    with duckdb.connect() as database:
        found = database.execute("SELECT ? LIKE ? ESCAPE '!'", [value, like_pattern(pattern)]).fetchone()
    assert found == (expected,)
