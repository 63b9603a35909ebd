"""What is masked in the output of programs: secrets of the settings, in every form, and keys in the files that these name."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from edms_tasks.programs.secret_values import without_secrets
from edms_tasks.settings import settings_from

KEY = "AGE-SECRET-KEY-1N7RQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"
SIGNING = "87c5" * 16
PASSWORD = 'a"b\\c d'


@pytest.mark.parametrize(
    "shown", [KEY, SIGNING, PASSWORD, 'a\\"b\\\\c d', base64.b64encode(PASSWORD.encode()).decode()], ids=range(5)
)
def test_no_form_is_shown(tmp_path: Path, shown: str) -> None:
    (tmp_path / "identity").write_text(f"# created: today\n{KEY}\n")
    (tmp_path / "write-key").write_text(f'{{"machine": "a", "signing_key": "{SIGNING}"}}\n')
    repository = {"url": "r", "identity": "identity", "write_key": "write-key"}
    settings = settings_from(
        {"repository": repository, "notify": {"smtp_password": PASSWORD}}, where=tmp_path / "edms-backup.toml"
    )

    assert without_secrets(f"+ said: <{shown}>", settings) == "+ said: <***>"
