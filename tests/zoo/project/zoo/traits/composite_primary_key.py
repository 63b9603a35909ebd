"""Primary keys of two columns (Django 5.2), one of them a reference, and a row that points at both."""

from __future__ import annotations

from django.db import models


class Dossier(models.Model):
    number = models.CharField(max_length=20, unique=True)


class Sheet(models.Model):
    pk = models.CompositePrimaryKey("dossier", "page")
    dossier = models.ForeignKey(Dossier, models.CASCADE)
    page = models.IntegerField()
    text = models.TextField()


class Annotation(models.Model):
    dossier = models.ForeignKey(Dossier, models.CASCADE, related_name="+")
    page = models.IntegerField()
    sheet = models.ForeignObject(
        Sheet, models.DO_NOTHING, from_fields=("dossier", "page"), to_fields=("dossier", "page")
    )
    text = models.TextField()


def fill() -> None:
    for number in ("D1", "D2"):
        dossier = Dossier.objects.create(number=number)
        for page in (2, 1):
            Sheet.objects.create(dossier=dossier, page=page, text=f"{number}, page {page}")
            Annotation.objects.create(dossier=dossier, page=page, text="!")


def grow() -> None:
    Sheet.objects.create(dossier=Dossier.objects.create(number="new"), page=1, text="new")
