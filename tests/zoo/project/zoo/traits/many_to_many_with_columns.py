"""A relation with columns of its own, and the plain one beside it whose table Django makes."""

from __future__ import annotations

from django.db import models


class Label(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Report(models.Model):
    number = models.CharField(max_length=20, unique=True)
    labels = models.ManyToManyField(Label)
    reviewers = models.ManyToManyField(Label, through="Review", related_name="+")


class Review(models.Model):
    report = models.ForeignKey(Report, models.CASCADE)
    label = models.ForeignKey(Label, models.CASCADE)
    round = models.IntegerField()
    verdict = models.CharField(max_length=20)

    class Meta:
        unique_together = (("report", "label", "round"),)


def fill() -> None:
    labels = [Label.objects.create(name=name) for name in ("urgent", "late", "")]
    for number in ("R1", "R2"):
        report = Report.objects.create(number=number)
        report.labels.set(labels[1:])
        for label in labels:
            for turn in (1, 2):
                Review.objects.create(report=report, label=label, round=turn, verdict=f"{turn}.")


def grow() -> None:
    report = Report.objects.create(number="new")
    report.labels.add(Label.objects.get(name="late"))
    report.reviewers.add(Label.objects.get(name="late"), through_defaults={"round": 1, "verdict": "new"})
