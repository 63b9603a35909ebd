"""Status: for monitoring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "status",
    "status --max-age 26h --max-proof-age 35d",
    "status --max-drill-age 8d",
    "status --json",
)


def status(
    context: typer.Context,
    max_age: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How old the newest snapshot may be (default: that of the settings)."),
    ] = None,
    max_proof_age: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="How long ago a restore may last have proved one (default: that of the settings)."
        ),
    ] = None,
    max_drill_age: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="How long ago the last drill may have passed (default: that of the settings)."
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Say in one line whether there is a backup to rely on; exit code 1 if not."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.status import read_status

        with _one_line(options):
            found = read_status(
                options.settings(), max_age=max_age, max_proof_age=max_proof_age, max_drill_age=max_drill_age
            )

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            line(console, found.line)

        options.finish(found.as_json(), show, 0 if found.success else 1, only_prints=True)


@contextmanager
def _one_line(options: Options) -> Iterator[None]:
    """Say in one line on standard output that it cannot be said, because monitoring shows that; the error follows on standard error."""
    from edms_tasks.errors import EdmsBackupError
    from flows.cli.output import write_out
    from flows.running.printable import printable

    try:
        yield
    except EdmsBackupError as error:
        if not options.as_json:
            told = " ".join(f"{error.what} {error.where}{': ' if error.where and error.why else ''}{error.why}".split())
            write_out(f"NOT OK: it is not known how the backups are. {printable(told)[:400]}\n")
        raise
