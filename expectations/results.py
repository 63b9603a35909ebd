"""Turn Great Expectations' results into our own types, with counts, digests and names, and without values of the EDMS's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from edms_tasks.owners_suites import columns_of
from edms_tasks.validation_result import CheckResult, SuiteResult


def read_table_suite(
    result: ExpectationSuiteValidationResult, subject: str, title: str, *, silent: bool
) -> SuiteResult:
    """A check for each expectation. With `silent`, errors are not quoted, because they may contain a value."""
    return suite_result(subject, title, [_count_check(outcome, silent) for outcome in result.results])


def read_summary(
    result: ExpectationSuiteValidationResult, frame: pd.DataFrame, labels: Mapping[str, str]
) -> SuiteResult:
    """A check for each line of the summary, which failed if any expectation names the line; `labels`: subject -> label."""
    errors = [check for outcome in result.results if (check := _errored(outcome, silent=False))]
    failed: set[int] = set()
    unnamed = []
    for outcome in result.results:
        lines = set(outcome.result.get("unexpected_index_list") or ())
        failed |= lines
        if not (outcome.success or lines):
            unnamed.append(_failed_as_a_whole(outcome))
    # If an expectation could not be evaluated, the results of all lines are unknown.
    checks = errors or [*_lines(frame, failed, labels), *unnamed]
    return suite_result(result.suite_name, result.suite_name, checks)


def read_owners_suite(result: ExpectationSuiteValidationResult, title: str, *, silent: bool) -> SuiteResult:
    """A check for each expectation, with counts only, because results of Great Expectations' own expectations contain values.

    With `silent`, the expectations' kwargs and descriptions are not shown either.
    """
    checks = [_owners_check(outcome, silent) for outcome in result.results]
    return replace(suite_result(title, title, checks), owners=True)


def suite_result(subject: str, title: str, checks: Iterable[CheckResult]) -> SuiteResult:
    """The result of a suite with these checks, and their counts."""
    checks = tuple(checks)
    return SuiteResult(
        subject=subject,
        title=title,
        evaluated=sum(not check.errored for check in checks),
        passed=sum(check.success for check in checks),
        errored=sum(check.errored for check in checks),
        checks=checks,
    )


def _lines(frame: pd.DataFrame, failed: set[int], labels: Mapping[str, str]) -> Iterator[CheckResult]:
    # Column by column: a Series for each line, as `iterrows` makes it, would take as long as the validation itself.
    sides = [frame[side].astype(object).where(frame[side].notna(), "").tolist() for side in ("expected", "found")]
    for number, subject, measure, *both in zip(frame.index, frame["subject"], frame["measure"], *sides, strict=True):
        expected, found = map(str, both)
        label = labels.get(subject, subject)
        success = number not in failed
        yield CheckResult(
            f"{label}: {measure}",
            f"{label}: the {measure} is the one in the manifest.",
            success,
            False,
            expected,
            found,
            _message(success, expected, found),
        )


def _failed_as_a_whole(outcome: ExpectationValidationResult) -> CheckResult:
    """The failed check of an expectation that was not met and names no line."""
    configuration = _configuration(outcome)
    name = str((configuration.meta or {}).get("check", configuration.type))
    return CheckResult(name, str(configuration.description or ""), False, False, "", "", "not met; no line was named")


def _count_check(outcome: ExpectationValidationResult, silent: bool) -> CheckResult:
    configuration = _configuration(outcome)
    meta, kwargs = configuration.meta or {}, configuration.kwargs
    stock = "counted" not in kwargs  # a stock expectation has one value, and its name is in meta
    names = [meta["counted"]] if stock else kwargs["counted"]
    wanted = _counts(dict(zip(names, [kwargs["value"]] if stock else kwargs["expected"], strict=True)))
    if errored := _errored(outcome, silent, wanted):
        return errored
    found = {meta["counted"]: outcome.result["observed_value"]} if stock else outcome.result["observed_value"]
    return CheckResult(
        name=str(meta["check"]),
        description=str(configuration.description or ""),
        success=bool(outcome.success),
        errored=False,
        expected=wanted,
        observed=_counts(found),
        message=_message(bool(outcome.success), wanted, _counts(found)),
        reference=str(meta.get("reference", "")),
        counts={str(name): int(count) for name, count in found.items()},
    )


def _errored(outcome: ExpectationValidationResult, silent: bool, wanted: str = "") -> CheckResult | None:
    """The check of an expectation that could not be evaluated; None for any other."""
    error = error_of(outcome)
    if not error:
        return None
    configuration = _configuration(outcome)
    meta = configuration.meta or {}
    shown = "the error is not shown, since it may quote a value" if silent else error
    return CheckResult(
        name=str(meta.get("check", configuration.type)),
        description=str(configuration.description or ""),
        success=False,
        errored=True,
        expected=wanted,
        observed="",
        message=f"could not be evaluated: {shown}",
        reference=str(meta.get("reference", "")),
    )


def _owners_check(outcome: ExpectationValidationResult, silent: bool) -> CheckResult:
    configuration = _configuration(outcome)
    kwargs = {name: value for name, value in configuration.kwargs.items() if name != "batch_id"}
    columns = columns_of(kwargs)
    name = configuration.type + (f" ({', '.join(columns)})" if columns else "")
    expected = "" if silent else json.dumps(kwargs, ensure_ascii=False, default=str)[:300]
    description = "" if silent else str(configuration.description or "")
    if errored := _errored(outcome, silent, expected):
        return replace(errored, name=name, description=description)
    found = _counts_in(outcome.result, columns)
    message = "as expected" if outcome.success else f"not met{': ' if found else ''}{found}"
    return CheckResult(name, description, bool(outcome.success), False, expected, found, message)


def _counts_in(result: Mapping[str, Any], columns: Sequence[str]) -> str:
    """The counts in a result. An observed value is a count only if no column is concerned; otherwise it may be a row's value."""
    if "unexpected_count" in result and "element_count" in result:
        return f"{result['unexpected_count']:,} of {result['element_count']:,} rows unexpected"
    observed = result.get("observed_value")
    return f"{observed:,}" if isinstance(observed, int) and not columns else ""


def _configuration(outcome: ExpectationValidationResult) -> ExpectationConfiguration:
    assert outcome.expectation_config is not None  # every evaluated expectation has one
    return outcome.expectation_config


def error_of(outcome: ExpectationValidationResult) -> str:
    """The first line of the error that an expectation raised, or ""; later lines may quote values."""
    info = outcome.exception_info or {}
    infos: Iterable[Any] = [info] if "raised_exception" in info else info.values()
    for one in infos:
        if one.get("raised_exception"):
            return str(one.get("exception_message") or "unknown error").strip().splitlines()[0][:300]
    return ""


def _message(success: bool, expected: str, found: str) -> str:
    return "as expected" if success else f"expected {expected or 'nothing there'}, found {found or 'nothing there'}"


def _counts(observed: Mapping[str, int]) -> str:
    """Counts as text; if there are many (one for each required column), only those that are not zero."""
    shown = {name: count for name, count in observed.items() if count} if len(observed) > 2 else dict(observed)
    return ", ".join(f"{name}: {count:,}" for name, count in shown.items()) or "none"
