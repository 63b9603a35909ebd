"""Soft references to models whose primary key is a reference: children of other tables, profiles, and their parents under other names."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Account(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Profile(models.Model):
    account = models.OneToOneField(Account, models.CASCADE, primary_key=True)
    text = models.CharField(max_length=20)


class Extra(models.Model):
    profile = models.OneToOneField(Profile, models.CASCADE, primary_key=True)
    text = models.CharField(max_length=20)


class Use(models.Model):
    name = models.CharField(max_length=20, unique=True)
    profile = models.IntegerField()
    extras = models.CharField(max_length=20)
    body = models.JSONField()
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    of = GenericForeignKey()


DECLARED = (
    {"column": "meeting.Use.profile", "target": "meeting.Profile"},
    {"column": "meeting.Use.extras", "target": "meeting.Extra", "separator": ","},
    {"column": "meeting.Use.body", "target": "meeting.Account", "json": "$.x[*]"},
)


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Account.objects.create(id=number, name=name)
        Profile.objects.create(account_id=number, text=name)
        Extra.objects.create(profile_id=number, text=name)
    for number, name in enumerate(names, 1):
        Use.objects.create(
            name=name,
            profile=number,
            extras=f"{number},{number % 3 + 1}",
            body={"x": [number, str(number)]},
            of=Extra.objects.get(pk=number),
        )


def say() -> dict[str, object]:
    known = {a.id: a.name for a in Account.objects.all()}
    return {
        u.name: [
            known.get(u.profile),
            [known.get(int(e)) for e in u.extras.split(",")],
            [known.get(int(e)) for e in u.body["x"]],
            [type(e).__name__ for e in u.body["x"]],
            u.of.text,
            u.of.profile.text,
            u.of.profile.account.name,
        ]
        for u in Use.objects.all()
    }
