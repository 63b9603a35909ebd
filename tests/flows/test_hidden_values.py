"""What an error quotes of rows is left out of it, and so of the log and the report, if the settings name sensitive columns."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.run_probe import Answer
from flows.live.rebuild_derived_tables import rebuild_derived
from flows.running.flow_decorators import Shortfall, flow
from flows.running.hidden_values import leave_out_values, with_no_values
from flows.running.printable import error_text

_WHY = "The EDMS said: duplicate key. Key (email)=(ada@example.org) already exists."


@dataclass(frozen=True)
class _Asked:
    """Nothing to choose."""


class _Done:
    def shortfall(self) -> Shortfall | None:
        return None


@flow(name="edms-try", description="Fails.")
def _fails(run: Any, request: _Asked) -> _Done:
    raise CheckFailed("It failed.", where="here", why=_WHY, fix="Mend it.")


@pytest.mark.parametrize(
    ("sensitive", "why"),
    [((), _WHY), (("users.User.email",), "The EDMS said: duplicate key. Key (email)=(…) already exists.")],
)
def test_an_error_quotes_no_value_if_any_column_is_sensitive(sensitive: tuple[str, ...], why: str) -> None:
    run: Any = SimpleNamespace(settings=SimpleNamespace(validate_=SimpleNamespace(sensitive=sensitive)))

    with pytest.raises(CheckFailed) as refused:
        _fails.fn(run, _Asked())

    assert refused.value.why == why
    assert (refused.value.what, refused.value.where, refused.value.fix) == ("It failed.", "here", "Mend it.")
    assert ("ada" in str(refused.value)) is not bool(sensitive)


@pytest.mark.parametrize(
    ("sensitive", "shown"), [((), "ada@example.org"), (("users.User.email",), "Key (email)=(…) already exists.")]
)
def test_a_command_that_failed_is_noted_without_the_values_that_it_quoted(
    sensitive: tuple[str, ...], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Traceback …\nIntegrityError: duplicate key\nDETAIL:  Key (email)=(ada@example.org) already exists."
    answer = Answer(1, "", said, "", "")
    settings = SimpleNamespace(
        validate_=SimpleNamespace(sensitive=sensitive), derived=SimpleNamespace(rebuild=["rebuild_index"])
    )
    run: Any = SimpleNamespace(settings=settings, call=lambda *_, **__: answer)
    notes: list[str] = []

    assert rebuild_derived(run, "edms", notes) == ("rebuild_index",)
    assert shown in notes[0]
    assert ("ada" in notes[0]) is not bool(sensitive)


def _ask() -> None:
    try:
        raise ValueError("duplicate key\nDETAIL:  Key (email)=(ada@example.org) already exists.", 7)
    except ValueError as refused:
        raise CheckFailed("It failed.", why=f"The server said: {refused}") from refused


def test_what_an_orchestrator_records_of_a_failed_task_quotes_none_in_its_traceback() -> None:
    with pytest.raises(CheckFailed) as failed:
        with_no_values(_ask)()

    recorded = "".join(traceback.format_exception(failed.value)) + repr(failed.value)
    assert "ada@" not in recorded.replace('(ada@example.org) already exists.", 7)', "")  # the line of the source
    assert recorded.count("Key (email)=(…) already exists.") >= 3
    assert failed.value.__cause__ is not None and failed.value.__cause__.args[1] == 7


def test_errors_that_lead_to_each_other_come_to_an_end() -> None:
    first, second = ValueError("Failing row contains (ada)."), KeyError("Failing row contains (ada).")
    first.__context__, second.__context__ = second, first

    leave_out_values(first)

    assert first.args == second.args == ("Failing row contains (…).",)


def test_the_text_of_a_foreign_error_quotes_none_at_all() -> None:
    assert error_text(ValueError("Failing row contains (7, ada).")) == "ValueError: Failing row contains (…)."
