"""A key that is the counted pk itself: dumpdata --natural-primary leaves it out and loses the row's identity."""

from __future__ import annotations

from django.db import models


class TicketManager(models.Manager):
    def get_by_natural_key(self, number: int) -> Ticket:
        return self.get(pk=number)


class Ticket(models.Model):
    subject = models.CharField(max_length=20)

    objects = TicketManager()

    def natural_key(self) -> tuple[int]:
        return (self.pk,)


def fill() -> None:
    for subject in ("a", "b", "c", "d", "e"):
        Ticket.objects.create(subject=subject)
    Ticket.objects.filter(subject__in="be").delete()


def grow() -> None:
    Ticket.objects.create(subject="new")
