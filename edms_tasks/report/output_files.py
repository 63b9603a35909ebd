"""Files that a user names for a page or a PDF: a file of another kind is never overwritten.

A mistyped `--html` that names the settings, a script or the EDMS's database would otherwise destroy it.
"""

from __future__ import annotations

from pathlib import Path

from edms_tasks.errors import CommandError

HTML, PDF = b"<!doctype html", b"%PDF-"
"""What a file of each kind begins with, but for white space."""
_BEGINNING = 1024  # bytes


def require_output(path: Path | None, kind: bytes, option: str) -> None:
    """Check, before any work is done, that a page can be written to a file in a folder that is there; see `require_no_other`."""
    if path is None:
        return
    require_no_other(path, kind, option)
    if not path.parent.is_dir():
        raise _cannot(path, "Its folder does not exist.", option)


def require_no_other(path: Path, kind: bytes, option: str) -> None:
    """Check that a file would take the place of no folder and of no file of another kind; raises CommandError.

    Args:
        path: the file.
        kind: HTML or PDF. A file that is there must be one.
        option: the option that named it, such as `--html`.
    """
    try:
        if path.is_dir():
            raise _cannot(path, "It is a folder.", option)
        if path.is_file():
            with path.open("rb") as file:
                begins = file.read(_BEGINNING)
            if begins and not begins.lstrip().lower().startswith(kind.lower()):
                raise _cannot(path, "There is a file of another kind, which would be overwritten.", option)
    except (OSError, ValueError) as error:
        raise _cannot(path, getattr(error, "strerror", None) or str(error), option) from error


def write_output(path: Path, content: bytes, kind: bytes, option: str) -> None:
    """Write a page or PDF; raises CommandError if it cannot be written, or would overwrite a file of another kind."""
    require_output(path, kind, option)
    try:
        path.write_bytes(content)
    except (OSError, ValueError) as error:
        raise _cannot(path, getattr(error, "strerror", None) or str(error), option) from error


def _cannot(path: Path, why: str, option: str) -> CommandError:
    return CommandError(
        "The file cannot be written.", where=f"{option} {path}", why=why, fix=f"Name another file with {option}."
    )
