"""Ctrl-C and a polite kill: the run unwinds, says what is left, and nothing goes on running."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A probe that hangs: an EDMS whose settings never load.
HANGING = "import time, pathlib; pathlib.Path(__file__).with_name('asked').touch(); time.sleep(300)\n"


@pytest.mark.parametrize(
    ("number", "code", "command"),
    [
        (signal.SIGINT, 130, ("doctor",)),
        (signal.SIGTERM, 143, ("inspect", "--json")),
        pytest.param(signal.SIGHUP, 129, ("doctor",), marks=pytest.mark.long),
    ],
)
def test_a_stopped_command_says_what_is_left_and_leaves_nothing_running(
    number: signal.Signals, code: int, command: tuple[str, ...], tmp_path: Path
) -> None:
    running = started(tmp_path, *command)

    running.send_signal(number)
    out, err = running.communicate(timeout=240)

    assert running.returncode == code, err
    if "--json" in command:
        told = json.loads(out)
        assert (told["error"], told["exit_code"]) == ("stopped", code)
        assert "Nothing was changed" in told["why"]
    else:
        assert "stopped: Nothing was changed" in err
    assert "Traceback" not in err
    assert not of_this(tmp_path)


@pytest.mark.long
def test_a_second_signal_leaves_at_once_and_takes_the_children_along(tmp_path: Path) -> None:
    running = started(tmp_path, "backup", "--no-flow")  # its probe runs in a thread, which is waited for

    running.send_signal(signal.SIGINT)
    err = again_until_it_ends(running)

    assert running.returncode == 130, err
    assert "Stopped at once" in err
    until = time.monotonic() + 120
    while of_this(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert not of_this(tmp_path)


@pytest.mark.parametrize(
    "beforehand",
    [
        # As where the system gives the signals to another thread while the main one waits.
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})",
        # A child that ends between being found and being told.
        "stopping._children = lambda: [gone.pid]",
        "os.close(2)",
    ],
)
def test_two_signals_end_a_command_in_every_state(beforehand: str) -> None:
    waiting = (
        "import os, signal, subprocess, sys, time\n"
        "from flows.running import stopping\n"
        "stopping.handle_signals()\n"
        "gone = subprocess.Popen([sys.executable, '-c', ''])\n"
        "gone.wait()\n"
        f"{beforehand}\n"
        "try:\n"
        "    print('ready', flush=True)\n"  # in the `try`, because the signals may come at once
        "    time.sleep(600)\n"
        "finally:\n"
        "    time.sleep(600)\n"  # what a run waits for while it unwinds
    )
    running = subprocess.Popen(
        [sys.executable, "-c", waiting],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=_hears_every_signal,
    )
    assert running.stdout is not None and running.stdout.readline() == "ready\n"

    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGTERM)
    try:
        assert running.wait(timeout=120) in (130, 143)  # signals that wait together are taken in the system's order
    finally:
        running.kill()
        running.communicate()


def again_until_it_ends(running: subprocess.Popen[str]) -> str:
    """A signal that comes before the last one was handled is none: after a while, it is sent once more."""
    for seconds in (0.3, *[20] * 12):
        try:
            return running.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
    raise AssertionError("no signal ends it")


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "manage.py").touch()
    (folder / "hanging.py").write_text(HANGING)
    config = folder / "edms-backup.toml"
    config.write_text(f'[edms]\nproject = "{folder}"\nsettings = "hanging"\n[repository]\nurl = "repository"\n')
    command = [sys.executable, "-m", "flows.cli.app", *arguments, "--config", str(config)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_every_signal
    )
    until = time.monotonic() + 240
    while not (folder / "asked").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return running


def _hears_every_signal() -> None:
    """A suite that is started by nohup, or in the background, ignores these, and its children would too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def of_this(folder: Path) -> list[str]:
    """Processes that work in or were told of the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it is gone, or another person's
        if bytes(folder) in told:
            found.append(process.name)
    return found
