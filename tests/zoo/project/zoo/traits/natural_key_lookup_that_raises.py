"""A lookup that was never run: it names a field the model does not have."""

from __future__ import annotations

from django.db import models


class MachineManager(models.Manager):
    def get_by_natural_key(self, serial: str) -> Machine:
        return self.get(serial_number=serial)


class Machine(models.Model):
    serial = models.CharField(max_length=20, unique=True)

    objects = MachineManager()

    def natural_key(self) -> tuple[str]:
        return (self.serial,)


def fill() -> None:
    for serial in ("M-1", "M-2"):
        Machine.objects.create(serial=serial)


def grow() -> None:
    Machine.objects.create(serial="M-3")
