"""Remembers on whose behalf the current request or task works, for the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from users.models import User

_actor: ContextVar[User | None] = ContextVar("audit_actor", default=None)


def current_actor() -> User | None:
    """Return the person at work, or None when the system acts by itself."""
    return _actor.get()


@contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Attribute what is written inside the block to a person."""
    token = _actor.set(user)
    try:
        yield
    finally:
        _actor.reset(token)


class ActorMiddleware:
    """Attributes what a request writes to the person who is logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request as its user."""
        user = request.user if request.user.is_authenticated else None
        with acting_as(user):
            return self.get_response(request)
