"""A page as a PDF, by WeasyPrint: an optional part, `pip install edms-backup[pdf]`."""

from __future__ import annotations

from edms_tasks.errors import ToolMissing

_FIX = "Install it where edms-backup is: `pip install 'edms-backup[pdf]'`. It needs the system's Pango (Debian: libpangoft2-1.0-0)."


def require_pdf() -> None:
    """Raise ToolMissing if PDFs cannot be made here."""
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the library is there, and Pango is not
        raise ToolMissing("No PDF can be made.", where="--pdf", why=str(error).partition("\n")[0], fix=_FIX) from error


def pdf_of(page: str) -> bytes:
    """The page as PDF/A with page numbers. It fetches nothing: a page names no files and no addresses."""
    require_pdf()
    import weasyprint

    document = weasyprint.HTML(string=page, url_fetcher=_refuse)
    made: bytes = document.write_pdf(pdf_variant="pdf/a-3u")
    return made


def _refuse(url: str, *anything: object, **more: object) -> dict[str, object]:
    raise ValueError(f"Pages fetch nothing, and this one asked for {url[:100]}.")
