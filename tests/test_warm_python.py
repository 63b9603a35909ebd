"""The warm Python of the tests' EDMSs starts scripts as Python does, or gives way to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer
from tests.reference_system import PROJECT
from tests.warm_python import edms_python

_TELLS = """
import json, os, sys
print(json.dumps([sys.argv, sys.path[0], os.getcwd(), dict(os.environ), os.umask(0o22), os.getpgrp() == os.getpgid(os.getppid()),
    sys.stdin.read(), sys.stdout.encoding, __name__, os.read(int(sys.argv[1]), 9).decode()]))
print("said \\u00e9", file=sys.stderr)
sys.exit(int(sys.argv[2]))
"""
_IS_WARM = "import sys; sys.exit('django.db.models' not in sys.modules)"


@pytest.fixture(scope="module", autouse=True)
def _it_runs() -> None:
    deadline = time.monotonic() + 300
    while subprocess.run([edms_python(), "-c", _IS_WARM], check=False).returncode:
        assert time.monotonic() < deadline


_LEAVES_OPEN = """
import atexit, sys, threading, time
kept = open(sys.argv[1], "w")
kept.write("left open, ")
def later(text):
    with open(sys.argv[2], "a") as file:
        file.write(text)
def wait_and_write():
    time.sleep(0.2)
    later("by a thread, ")
atexit.register(later, "at the end")
threading.Thread(target=wait_and_write).start()
print("printed", end="")
"""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_script_finds_what_python_gives_it(tmp_path: Path, encoding: str) -> None:
    script = tmp_path / "tells.py"
    script.write_text(_TELLS, encoding="utf-8")
    said = []
    for program in (edms_python(), sys.executable):
        reading, writing = os.pipe()
        os.write(writing, b"handed on")
        os.close(writing)
        said.append(
            subprocess.run(
                [program, str(script), str(reading), "7"],
                cwd=tmp_path,
                env=os.environ | {"PYTHONIOENCODING": encoding, "WORD": "ü"},
                input="asked",
                encoding=encoding,
                capture_output=True,
                pass_fds=(reading,),
                umask=0o27,
                check=False,
            )
        )
        os.close(reading)

    warm, own = said
    assert (warm.returncode, warm.stdout, warm.stderr) == (own.returncode, own.stdout, own.stderr)
    assert own.returncode == 7 and "handed on" in own.stdout


def test_a_script_that_fails_or_is_killed_ends_as_with_python() -> None:
    failed = subprocess.run(
        [edms_python(), "-c", "raise ValueError('why')"], capture_output=True, text=True, check=False
    )
    killed = subprocess.run([edms_python(), "-c", "import os; os.kill(os.getpid(), 9)"], check=False)

    assert failed.returncode == 1 and failed.stderr.endswith("ValueError: why\n")
    assert killed.returncode == -signal.SIGKILL


def test_what_a_script_has_not_finished_is_finished_when_it_ends(tmp_path: Path) -> None:
    script, kept, later = tmp_path / "leaves_open.py", tmp_path / "kept", tmp_path / "later"
    script.write_text(_LEAVES_OPEN, encoding="utf-8")

    done = subprocess.run([edms_python(), script, kept, later], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "printed", "")
    assert kept.read_text(encoding="utf-8") == "left open, "
    assert later.read_text(encoding="utf-8") == "by a thread, at the end"


def test_a_script_ends_with_the_program_that_started_it() -> None:
    with subprocess.Popen(
        [edms_python(), "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        program.kill()
    deadline = time.monotonic() + 300
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_reference_edms_has_the_settings_of_its_own_start(tmp_path: Path, postgres_server: PostgresServer) -> None:
    script = """
import hashlib, sys
from django.apps import apps
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models.signals import post_save
from documents.models import Document
print(connection.vendor, connection.settings_dict, settings.MEDIA_ROOT, default_storage.location, settings.SECRET_KEY, settings.DEBUG)
print([(model._meta.label, [field.column for field in model._meta.fields]) for model in apps.get_models(include_auto_created=True)])
print(len(post_save.receivers), Document._meta.get_field("file").storage.location, sys.argv[:3], sys.path[0])
"""
    for url in (f"sqlite:///{tmp_path / 'own.sqlite3'}", postgres_server.url("own")):
        own = {"REFERENCE_EDMS_DATABASE": url, "REFERENCE_EDMS_MEDIA": str(tmp_path), "REFERENCE_EDMS_SECRET_KEY": url}
        said = [
            subprocess.run(
                [program, str(PROJECT / "manage.py"), "shell", "-c", script + more],
                env=os.environ | own,
                capture_output=True,
                text=True,
                check=False,
            )
            for program, more in (
                (edms_python(), ""),
                (sys.executable, ""),
                (edms_python(), "print('program' in sys.modules)"),
            )
        ]
        assert said[0].stdout == said[1].stdout != "", said
        assert said[2].stdout == said[1].stdout + "True\n"


def test_in_another_session_it_is_python_itself() -> None:
    done = subprocess.run([edms_python(), "-c", _IS_WARM], start_new_session=True, check=False)

    assert done.returncode == 1
