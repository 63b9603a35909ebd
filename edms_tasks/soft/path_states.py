"""How far paths have been followed at a place in JSON: the states in which SQL and Python walk documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edms_tasks.soft.json_filters import Filter
from edms_tasks.soft.json_paths import JsonPath, Step

Container = Literal["object", "array"]
Progress = frozenset[tuple[int, int]]
"""For each path that leads here: its number, and how many of its steps were taken."""


@dataclass(frozen=True)
class PathStates:
    """Paths into the same document, by number.

    Where a path arrives is one thing (`start`, `below`, `through_string`), how far it goes there without leaving the place, by
    filters, is another (`settled`); the other methods are about settled places.
    """

    paths: tuple[JsonPath, ...]

    @property
    def start(self) -> Progress:
        """The state at the top of a document."""
        return frozenset((number, 0) for number in range(len(self.paths)))

    def filters(self, here: Progress) -> set[Filter]:
        """The filters that apply to a value in this state."""
        # A value that passes a filter may meet another filter at the same place.
        found = set()
        for path, taken in here:
            for step in self.paths[path].steps[taken:]:
                if step.condition is not None:
                    found.add(step.condition)
                elif step.into != "string":
                    break
        return found

    def settled(self, here: Progress, passes: Callable[[Filter], bool], *, is_container: bool) -> Progress:
        """The state after the filters were applied to a value with these results."""
        found = set(here)
        waiting = list(here)
        while waiting:
            path, taken = waiting.pop()
            if taken == len(self.paths[path].steps):
                continue
            step = self.paths[path].steps[taken]
            # JSON that is not in a string has the same path as JSON in a string.
            goes_on = is_container if step.into == "string" else step.into == "self" and passes(_condition(step))
            if goes_on and (path, taken + 1) not in found:
                found.add((path, taken + 1))
                waiting.append((path, taken + 1))
        return frozenset(
            (path, taken)
            for path, taken in found
            if taken == len(self.paths[path].steps)
            or self.paths[path].steps[taken].into != "self"
            or self.paths[path].steps[taken].deep
        )

    def ends(self, here: Progress) -> list[int]:
        """The paths that end at this place."""
        return sorted(path for path, taken in here if taken == self._length(path) and not self.paths[path].keys)

    def keys(self, here: Progress) -> list[int]:
        """The paths for which the keys of this object are ids."""
        return sorted(path for path, taken in here if self._is_keys(path, taken))

    def goes_into(self, here: Progress, container: Container) -> bool:
        """Whether a path continues into the members of an object, or into the elements of an array."""
        return any(
            step.deep or (step.into in (container, "either") and not self._is_keys(path, taken))
            for path, taken, step in self._next(here)
        )

    def through_string(self, here: Progress) -> Progress:
        """The state at the top of the JSON in this string."""
        return frozenset((path, taken + 1) for path, taken, step in self._next(here) if step.into == "string")

    def below(self, here: Progress, container: Container, name: str) -> Progress:
        """The state at a member or an element."""
        found = set()
        for path, taken, step in self._next(here):
            if step.deep:
                found.add((path, taken))
            if self._is_keys(path, taken):
                continue  # it ends in the keys, and does not go below them
            if step.into in (container, "either") and step.name in (None, name):
                found.add((path, taken + 1))
        return frozenset(found)

    def _length(self, path: int) -> int:
        """The number of steps to an id, or to the object whose keys are ids."""
        return len(self.paths[path].steps) - self.paths[path].keys

    def _is_keys(self, path: int, taken: int) -> bool:
        return self.paths[path].keys and taken == self._length(path)

    def _next(self, here: Progress) -> list[tuple[int, int, Step]]:
        return [
            (path, taken, self.paths[path].steps[taken]) for path, taken in here if taken < len(self.paths[path].steps)
        ]


def _condition(step: Step) -> Filter:
    assert step.condition is not None  # the step into the value itself has one
    return step.condition
