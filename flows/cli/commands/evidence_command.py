"""Evidence: what an inspection asks for, of a period."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "evidence --from 2026-01-01 --to 2026-03-31 --out inspection",
    "evidence --from 2026-01-01 --to 2026-03-31 --out inspection.zip --pdf",
)


def evidence(
    context: typer.Context,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="The first day.", show_default=False)],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="The last day, included.", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER|FILE.zip", help="A new folder, or a new zip.", show_default=False)
    ],
    pdf: Annotated[bool, typer.Option("--pdf", help="Each report as a PDF, too.")] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Bundle the reports and the log of a period, and how to check them with standard tools; exit code 1 if anything is wrong."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.auditing.bundle import bundle_evidence

        made = bundle_evidence(settings, first, last, out, pdf=pdf)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            line(console, f"period    {made.period}, days of {made.period.zone}")
            line(console, f"holds     {made.runs:,} runs, {made.reports:,} reports")
            for title, days in (("not read back", made.gaps.unverified), ("not proved", made.gaps.unproved)):
                if days:
                    line(console, f"! {title} on {', '.join(days[:6])}{', …' if len(days) > 6 else ''}")
            for problem in made.problems[:20]:
                line(console, f"✗ {problem}")
            line(console, f"witness   {made.witness}")
            line(console, f"{'✗ written, with the problems above' if made.problems else '✓ written'}: {made.place}")

        options.finish(made.as_json(), show, 1 if made.problems else 0)
