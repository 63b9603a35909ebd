"""Key: who can open an encrypted repository, and who can write to it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error, from_request
from flows.requests import BackupRequest

if TYPE_CHECKING:
    from pydantic import SecretStr
    from rich.console import Console

EXAMPLES = (
    "key list",
    "key new /media/usb/office.recovery-key",
    "key add office age1…",
    "key print > recovery-key.html",
    "key writer second-host.write-key --machine second-host",
    "key revoke second-host",
    "key rotate --reencrypt",
)
VARIABLE = "EDMS_BACKUP_NEW_PASSPHRASE"

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not exist.")]
Reason = Annotated[str, from_request(BackupRequest, "reason", metavar="TEXT")]
Holder = Annotated[str, typer.Argument(metavar="NAME", help="The holder's name, for example `office`.")]


def list_keys(
    context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False
) -> None:
    """Show who can open the repository, and the machines whose backups count."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.keys import list_keys

        found = list_keys(options.settings())

        def show(console: Console) -> None:
            from flows.cli.printing.key_list import print_keys

            print_keys(console, found)

        options.finish(found.as_json(), show, 0, only_prints=True)


def new(
    context: typer.Context,
    file: KeyFile,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a recovery key in a file, for a holder that `key add` names."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.keys import make_recovery_key

        recipient = make_recovery_key(file)
        lines = (f"✓ {file}", f"public key: {recipient}", f"next: edms-backup key add NAME {recipient}")
        _finish(options, {"file": str(file), "recipient": recipient}, lines)


def add(
    context: typer.Context,
    name: Holder,
    recipient: Annotated[
        str | None,
        typer.Argument(metavar="PUBLIC-KEY", help="Their public key, age1….", show_default=False),
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=f"Instead of a key, a passphrase: asked for, or from {VARIABLE}.")
    ] = False,
    reason: Reason = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Let another key, or a passphrase, open the repository."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if (recipient is None) != passphrase:
            raise command_error("Name a public key, or pass --passphrase.", "See `edms-backup key add --help`.")
        settings = options.settings()
        from flows.keys import add_holder

        chosen = _new_passphrase() if passphrase else None
        holder = add_holder(settings, name, recipient=recipient, passphrase=chosen, reason=reason)
        opens = holder.recipient or "a passphrase"
        _finish(options, holder.model_dump(mode="json", exclude={"secret"}), (f"✓ {name} opens it with {opens}",))


def remove(
    context: typer.Context,
    name: Holder,
    reason: Reason = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Take away a holder's access to what is stored from the next `key rotate` on."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.keys import remove_holder

        left = remove_holder(settings, name, reason=reason)
        lines = (
            f"✓ {name} no longer opens it; left: {', '.join(left)}",
            "! A holder may have kept a copy of the repository's secret. `edms-backup key rotate --reencrypt` makes it useless.",
        )
        _finish(options, {"removed": name, "left": list(left)}, lines)


def rotate(
    context: typer.Context,
    reencrypt: Annotated[
        bool, typer.Option("--reencrypt", help="Encrypt what is stored anew, too, and forget the earlier keys.")
    ] = False,
    reason: Reason = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Encrypt to a new key from now on."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.keys import rotate_key

        done = rotate_key(settings, reencrypt=reencrypt, reason=reason)
        lines = [f"✓ new key of the repository: {done.recipient}"]
        if reencrypt:
            lines.append(f"✓ {done.objects:,} objects encrypted anew; {done.forgotten} earlier keys forgotten")
        if done.holders.left:
            who = ", ".join(done.holders.left)
            lines.append(f"! {who} cannot open new backups: remove and add them again, which needs their passphrase.")
        lines.append("! Other machines need a new write key: `edms-backup key writer FILE`.")
        _finish(options, done.as_json(), lines, 1 if done.holders.left else 0)


def writer(
    context: typer.Context,
    file: KeyFile,
    machine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who signs with it (default: this machine's name).")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Also if there is a machine of that name; its earlier key goes on counting.")
    ] = False,
    reason: Reason = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a write key: a machine that has it can back up into the repository, and not read it."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.keys import make_write_key

        named = machine or socket.gethostname()
        done = make_write_key(settings, file, named, renew=renew, reason=reason)
        lines = [f"✓ {file}, for {named}", f'next: [repository] write_key = "{file}" in the settings of that machine']
        if done.left:
            lines.append(f"! {', '.join(done.left)} will not know it: remove and add them again.")
        _finish(options, {"file": str(file), "machine": named, "left": list(done.left)}, lines)


def revoke(
    context: typer.Context,
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="The machine's name, as `key list` shows it.")],
    reason: Reason = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Let a machine's backups count no more, as after its write key was stolen; those that are there stay."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.keys import revoke_machine

        done = revoke_machine(settings, machine, reason=reason)
        lines = [f"✓ backups of {machine} count no more; those that are there were signed anew by this machine"]
        if done.left:
            lines.append(f"! {', '.join(done.left)} will still take them for right: remove and add them again.")
        _finish(options, {"revoked": machine, "left": list(done.left)}, lines, 1 if done.left else 0)


def print_(context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False) -> None:
    """Print the recovery key as a page, to keep on paper: text and a QR code."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.cli.output import write_out
        from flows.keys import printable_key
        from flows.printed_key import printed_key

        path, text = printable_key(options.settings())
        if as_json:
            raise command_error("A key is not printed as JSON.", f"Copy the file: {path}.")
        failure = write_out(printed_key(path.name, text))
        raise typer.Exit(3 if failure is not None else 0)


def _new_passphrase() -> SecretStr:
    import os

    from pydantic import SecretStr

    given = os.environ.get(VARIABLE) or typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    if len(given) < 12:
        raise command_error("The passphrase is too short.", "Take 12 characters or more; five random words are better.")
    return SecretStr(given)


def _finish(options: Options, facts: dict[str, object], lines: tuple[str, ...] | list[str], code: int = 0) -> None:
    def show(console: Console) -> None:
        from flows.cli.printing.layout import line

        for text in lines:
            line(console, text)

    options.finish(facts, show, code)


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_keys,
    "new": new,
    "add": add,
    "remove": remove,
    "rotate": rotate,
    "writer": writer,
    "revoke": revoke,
    "print": print_,
}
