"""The settings file that `init` writes: every key with its description, made from the settings' own types.

Keys with a value are entries, all others are comments that show the default. Because the text is made from `Settings`, a
new setting appears in it without further work.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edms_tasks.settings import PREFIX, Settings

_EXAMPLES = {
    "edms.id": '"edms-of-the-archive"',
    "repository.id": '"0f3a6c"',
    "edms.project": '"/srv/edms"',
    "edms.settings": '"config.settings"',
    "edms.python": '"/srv/edms/.venv/bin/python"',
    "edms.command": '["docker", "compose", "exec", "-T", "backend", "python"]',
    "edms.database_url": '"postgresql://127.0.0.1:5433"',
    "edms.client_programs": '"/usr/lib/postgresql/17/bin"',
    "edms.env": '{ DATABASE_URL = "postgresql://…" }',
    "repository.options": '{ key = "…", secret = "…" }',
    "approval.approvers": '{ anna = "…", ben = "…" }',
    "status.max_proof_age": '"35d"',
    "copy.url": '"sftp://backup.example/edms"',
    "copy.options": '{ key = "…", secret = "…" }',
    "repository.write_key": '"edms-backup.write-key"',
    "repository.identity": '"edms-backup.recovery-key"',
    "repository.passphrase": '"…"',
    "repository.upload_limit": "2_000_000",
    "repository.download_limit": "10_000_000",
    "repository.immutable_days": "30",
    "copy.immutable_days": "30",
    "notify.webhook": '"https://chat.example/hooks/…"',
    "notify.webhook_headers": '{ Authorization = "Bearer …" }',
    "notify.ping": '{ backup = "https://hc-ping.com/…", drill = "https://hc-ping.com/…" }',
    "notify.smtp": '"smtp://mail.example:587"',
    "notify.smtp_user": '"edms-backup"',
    "notify.smtp_password": '"…"',
    "notify.email_from": '"edms-backup@example.org"',
    "notify.email_to": '["admins@example.org"]',
    "notify.prefect_block": '"slack-webhook/backups"',
    "metrics.file": '"/var/lib/node_exporter/edms-backup.prom"',
    "retention.keep_set_aside": '"14d"',
    "run.scheduler": '"tls://dask.example:8786"',
    "run.cluster": '"dask.distributed:LocalCluster"',
    "run.cluster_arguments": "{ n_workers = 4 }",
    "run.scratch": '"/srv/shared/edms-backup"',
    "retention.keep_reports": '"7y"',
    "repository.copies": '".edms-backup/copies"',
    "natural_keys": '"documents.Document" = ["number", "version"]',
    "soft_references": '[{ column = "mail.Rule.document_ids", target = "documents.Document", separator = "," }]',
    "exclude.tables": '["sessions.Session"]',
    "exclude.databases": '["statistics"]',
    "exclude.files": '["cache/*", "*.tmp"]',
    "files.config": '["/srv/edms/.env"]',
    "files.roots": '{ media = "/srv/edms/media" }',
    "files.stores": '{ scans = "s3://edms-scans/originals" }',
    "files.beside": '{ scans = "s3://edms-restores/scans" }',
    "files.options": '{ scans = { endpoint_url = "https://s3.example.org", key = "…", secret = "…" } }',
    "derived.tables": '["wagtailsearch.IndexEntry"]',
    "derived.columns": '["catalogue.Category.tn_ancestors_pks"]',
    "derived.rebuild": '["update_index"]',
    "convert.size_mb": "100_000",
    "convert.passphrase": '"…"',
    "drill.commands": '["check", "acceptance.py"]',
    "drill.rto": '"4h"',
    "drill.rpo": '"26h"',
    "drill.folder": '"/var/tmp/edms-drills"',
    "drill.folder_in_edms": '"/drills"',
    "status.max_drill_age": '"8d"',
    "merge.not_references": '["documents.Document.batch_id"]',
    "restore.database": '"postgresql://user:password@host:5432/edms"',
    "retention.keep_within": '"30d"',
    "validate.sensitive": '["users.User.email"]',
    "validate.suites": '"suites"',
}


Answer = str | tuple[str, ...] | Mapping[str, str]


def settings_text(answers: Mapping[str, Answer], profile: Mapping[str, str] | None = None) -> str:
    """The text of a settings file.

    Args:
        answers: values of keys, named with their section: {"edms.project": "/srv/edms"}.
        profile: name of a section -> its text in a profile, which is copied into the file.
    """
    plain: list[str] = []
    sections: list[str] = []
    known = dict(profile or {})
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            sections.append(_section(key, field.annotation, answers, known.pop(key, "")))
        elif _is_table(field):
            sections.append(f"[{key}]\n{_comment(field)}# {_EXAMPLES[key]}\n{_without_header(key, known.pop(key, ''))}")
        else:
            plain.append(_entry(key, key, field, answers))
    head = (
        "# The settings of edms-backup. Lines that begin with # show defaults and examples.\n"
        f"# Every key can come from the environment instead, e.g. {PREFIX}EDMS__PROJECT=/srv/edms;\n"
        "# keep secrets there.\n"
        "# Relative paths are relative to this file.\n"
    )
    return "\n".join([head, *plain, *sections, *known.values()])


def _section(name: str, model: type[BaseModel], answers: Mapping[str, Answer], from_profile: str) -> str:
    lines = [f"# {(model.__doc__ or '').splitlines()[0]}\n[{name}]\n"]
    said = tomllib.loads(from_profile).get(name, {})
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        if key not in said:
            lines.append(_entry(f"{name}.{key}", key, field, answers))
    answered = {
        key: answer for key in model.model_fields if isinstance(answer := answers.get(f"{name}.{key}"), Mapping)
    }
    tables = [tomlkit.dumps({name: {key: answer}}) for key, answer in answered.items()]
    return "".join([*lines, _without_header(name, from_profile), *(f"\n{text}" for text in tables)])


def _without_header(name: str, text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() != f"[{name}]")


def _entry(full: str, key: str, field: FieldInfo, answers: Mapping[str, Answer]) -> str:
    if full in answers and not isinstance(answers[full], Mapping):
        return f"{_comment(field)}{key} = {_toml(answers[full])}\n"
    return f"{_comment(field)}# {key} = {_EXAMPLES.get(full) or _toml(field.get_default())}\n"


def _comment(field: FieldInfo) -> str:
    return f"# {field.description}\n" if field.description else ""


def _is_table(field: FieldInfo) -> bool:
    return isinstance(field.get_default(), dict)


def _toml(value: Any) -> str:
    return tomlkit.item(str(value) if isinstance(value, Path | SecretStr) else value).as_string()
