"""Makes the people: users who manage each other in circles, and the roles they hold."""

from __future__ import annotations

import itertools
import random

from django.contrib.auth.hashers import make_password

from population.awkward import TEXTS
from population.clock import Clock
from population.rows import Writer
from users.models import Role, User, UserRole

_FIRST = ("Anna", "Björn", "Chloé", "Đorđe", "Émile", "Fatima", "Göran", "花子", "Иван", "O'Brien")
_LAST = ("Müller", "Nguyễn", "Smith-Jones", "García", "山田", "Петров", "van der Berg", "Łukasz")


def make_people(writer: Writer, rng: random.Random, clock: Clock, count: int) -> list[User]:
    """Create users with roles, and return them together with the administrator."""
    admin = User.objects.get(username="admin")
    known = User.objects.count()
    # Hashing a password takes longer than writing a thousand rows, so all share one hash.
    password = make_password("password", salt="populate")
    users = [
        User(
            username=f"user{known + i:04d}",
            employee_id=f"E-{known + i:05d}",
            first_name=rng.choice(_FIRST),
            last_name=rng.choice(_LAST),
            email=f"user{known + i:04d}@example.com",
            password=password,
            department=rng.choice(("Quality", "Production", "", "研究", "R&D")),
            date_joined=clock.tick(),
            last_login=clock.tick() if rng.random() < 0.7 else None,
            is_active=rng.random() > 0.05,
            is_staff=rng.random() < 0.1,
        )
        for i in range(count)
    ]
    writer.number(users)
    for i, user in enumerate(users):
        user.manager_id = users[rng.randrange(count)].pk if rng.random() < 0.9 else None
        user.created_by_id = rng.choice((admin.pk, users[-1 - i].pk))
    _close_circles(users)
    writer.write(users)
    writer.write(_assignments(rng, clock, admin, users))
    return [admin, *users]


def _close_circles(users: list[User]) -> None:
    if len(users) < 3:
        return
    first, second, alone = users[0], users[-1], users[1]
    first.manager_id, second.manager_id = second.pk, first.pk
    alone.manager_id = alone.pk


def _assignments(rng: random.Random, clock: Clock, admin: User, users: list[User]) -> list[UserRole]:
    roles = list(Role.objects.order_by("name"))
    return [
        UserRole(
            user=user,
            role=role,
            assigned_by=rng.choice((admin, user, None)),
            assigned_at=clock.tick(),
            expires_on=clock.tick().date() if rng.random() < 0.1 else None,
            is_active=rng.random() > 0.05,
        )
        for user in users
        for role in rng.sample(roles, k=rng.choice((1, 2, 3)))
    ]


def extra_roles(writer: Writer, rng: random.Random) -> None:
    """Create roles whose descriptions are hard to carry; one inherits from a role made after it."""
    known = Role.objects.count()
    roles = [
        Role(name=f"Local role {known + i} {rng.choice(('α', 'ß', '…'))}", description=text)
        for i, text in enumerate(TEXTS[:8])
    ]
    writer.number(roles)
    for role, parent in itertools.pairwise(roles):
        role.inherits_from_id = parent.pk
    writer.write(roles)
