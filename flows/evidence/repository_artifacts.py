"""The artifacts of runs that look at the repository: its snapshots, and whether there is a backup to rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.running.markdown import bullets, fact_list, page
from flows.running.run import Run

if TYPE_CHECKING:
    from flows.listing import Listing
    from flows.status import Status


def leave_listing(run: Run, found: Listing) -> None:
    """Record the snapshots, the newest first, and what is wrong with them."""
    rows = [
        {
            "snapshot": one.id,
            "number": one.number or "",
            "created": f"{one.created:%Y-%m-%d %H:%M:%S} UTC",
            "tags": ", ".join(one.tags),
            "held": "; ".join(one.holds),
            "rows": one.rows,
            "files": one.files,
            "bytes": one.bytes,
            "findings": one.findings,
            "EDMS": one.edms,
        }
        for one in reversed(found.snapshots)
    ]
    run.table("list-snapshots", "Snapshots of the repository", rows, "The newest first.")
    damaged = [f"The manifest {one} is damaged." for one in found.damaged]
    run.markdown(
        "list-verdict",
        page(
            f"{len(found.snapshots):,} snapshots" if found.success else "Snapshots are damaged or missing",
            ("What is wrong", bullets([*found.problems, *damaged])),
            ("Notes", bullets(found.notes)),
        ),
    )


def leave_status(run: Run, found: Status) -> None:
    """Record whether there is a backup to rely on, and why not."""
    run.markdown(
        "status-verdict",
        page(
            "The backups are well" if found.success else "NOT OK: the backups are not well",
            fact_list(
                (
                    ("Newest snapshot", found.snapshot or "none"),
                    ("Made", f"{found.created:%Y-%m-%d %H:%M:%S} UTC" if found.created else ""),
                    ("Last proved by a restore", f"{found.proved.at:%Y-%m-%d %H:%M} UTC" if found.proved else "never"),
                    ("Last drill that passed", f"{found.drill:%Y-%m-%d %H:%M} UTC" if found.drill else "never"),
                )
            ),
            ("What is wrong", bullets(found.problems)),
        ),
    )
