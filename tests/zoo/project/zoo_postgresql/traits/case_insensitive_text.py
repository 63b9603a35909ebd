"""The citext extension's type: equal for the database, different for everybody else, and a reference may differ in case."""

from __future__ import annotations

from django.db import models
from zoo.keepers import execute


class CaselessField(models.TextField):
    def db_type(self, connection: object) -> str:
        return "citext"


class Nickname(models.Model):
    name = CaselessField(unique=True)


class Greeting(models.Model):
    to = models.ForeignKey(Nickname, models.CASCADE, to_field="name")
    words = CaselessField()


def fill() -> None:
    for name in ("Ada", "ROB", "é"):
        Greeting.objects.create(to=Nickname.objects.create(name=name), words="Hello")
    execute("UPDATE zoo_postgresql_greeting SET to_id = 'aDA' WHERE to_id = 'Ada'")


def grow() -> None:
    Greeting.objects.create(to=Nickname.objects.create(name="new"), words="hello")
