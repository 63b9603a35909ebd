"""One row spread over several tables: the child's pk is a reference to its parent, two levels deep, and side by side."""

from __future__ import annotations

from django.db import models


class Asset(models.Model):
    number = models.CharField(max_length=20, unique=True)


class Device(Asset):
    vendor = models.CharField(max_length=20)


class Scale(Device):
    base = models.OneToOneField(Device, models.CASCADE, parent_link=True, primary_key=True, db_column="scale of")
    capacity = models.FloatField()


class License(Asset):
    vendor = models.CharField(max_length=20)


def fill() -> None:
    Asset.objects.create(number="bare")
    Device.objects.create(number="device", vendor="v")
    Scale.objects.create(number="scale", vendor="v", capacity=0.1)
    License.objects.create(number="license", vendor="v")
    # One asset that is a device and a license at once.
    License(asset_ptr=Asset.objects.get(number="device"), vendor="w").save_base(raw=True)


def grow() -> None:
    Scale.objects.create(number="new scale", vendor="v", capacity=1e300)
