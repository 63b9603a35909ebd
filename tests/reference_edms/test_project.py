"""The project is one that Django itself finds nothing wrong with."""

from __future__ import annotations

from tests.reference_edms.conftest import Edms


def test_system_checks_are_silent(fresh_edms: Edms) -> None:
    assert "no issues" in fresh_edms.run("check")


def test_migrations_match_the_models(fresh_edms: Edms) -> None:
    fresh_edms.run("makemigrations", "--check", "--dry-run")
