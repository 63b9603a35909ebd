"""What an error quotes of rows is left out of it, and so of the log and the report, if the settings name sensitive columns."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from edms_tasks.errors import CheckFailed
from flows.running.flow_decorators import Shortfall, flow
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


def test_the_text_of_a_foreign_error_quotes_none_at_all() -> None:
    assert error_text(ValueError("Failing row contains (7, ada).")) == "ValueError: Failing row contains (…)."
