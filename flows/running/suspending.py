"""Suspend a deployed run until people have answered. The run's process ends; when it is resumed, its flow starts anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError, create_model

from flows.running.markdown import plain
from flows.running.question import AskedField, Question


def ask_people(question: Question) -> Mapping[str, str] | None:
    """The answer, once the flow has started anew. None: it was resumed without one, or retried after nobody had answered in time."""
    fields: dict[str, Any] = {one.name: (_type(one), _field(one)) for one in question.fields}
    form = create_model("Approval", __base__=RunInput, **fields)
    try:
        given = suspend_flow_run(
            wait_for_input=form.with_initial_data(description=plain(question.explanation)),
            timeout=question.seconds,
            key=question.key,
        )
    except ValidationError:
        return None
    assert given is not None  # it was asked for input
    answer: dict[str, str] = given.model_dump()
    return answer


def _type(asked: AskedField) -> Any:
    return Literal[asked.choices] if asked.choices else str


def _field(asked: AskedField) -> Any:
    if asked.default is None:
        return Field(title=asked.title, description=asked.description)
    return Field(default=asked.default, title=asked.title, description=asked.description)
