"""The keys of a repository, as text."""

from __future__ import annotations

from rich.console import Console

from flows.cli.printing.layout import line
from flows.keys import KeyList


def print_keys(console: Console, found: KeyList) -> None:
    """Print who can open a repository, and the machines whose backups count."""
    if found.recipient is None:
        line(console, f"{found.display} is NOT ENCRYPTED: whoever reads it reads the documents.")
    else:
        line(console, f"{found.display} is encrypted to {found.recipient}")
        line(console, "who can open it:")
        for holder in found.holders:
            mark = " (here)" if holder.name == found.opened_by else ""
            line(
                console, f"  {holder.name}: {holder.recipient or 'a passphrase'}, since {holder.created:%Y-%m-%d}{mark}"
            )
        if not found.opened_by:
            line(console, "This machine cannot read it: the recovery key is not here.")
    for name in found.unreadable:
        line(console, f"✗ {name} cannot be read: it is damaged, or no holder.")
    if found.machines:
        line(console, "machines whose backups count:")
        for signer, machine in found.machines.items():
            line(console, f"  {machine}: {signer}")
    if found.note:
        line(console, f"! {found.note}")
