"""The files that FileFields name: paths below their root, as bytes."""

from __future__ import annotations

from edms_tasks.files.path_mentions import text_bytes
from edms_tasks.inventory.model import FileRoot
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable


def path_named_by(column: str, encoding: Encoding, root: FileRoot) -> str:
    """DuckDB SQL: the path below a root that a file column's value names, as bytes; NULL for NULL."""
    value = text_bytes(identifier(column), encoding)
    # Some systems store the absolute path, where Django stores the path below the root.
    prefix = f"hex(encode({literal(root.path.rstrip('/') + '/')}))"
    return (
        f"CASE WHEN starts_with(hex({value}), {prefix}) THEN unhex(substr(hex({value}), length({prefix}) + 1)) "
        f"ELSE {value} END"
    )


def named_paths(column: str, raw: RawTable, root: FileRoot) -> str:
    """A SELECT of the paths that a FileField's values name, one for each row; `raw` must have rows."""
    encoding = raw.encodings.get(column, "native")
    files = ", ".join(literal(str(path)) for path in raw.files)
    return f"""
        SELECT path
        FROM (
            SELECT {text_bytes(identifier(column), encoding)} AS value, {path_named_by(column, encoding, root)} AS path
            FROM read_parquet([{files}])
        )
        WHERE value IS NOT NULL AND value <> ''::BLOB
    """
