"""Primary keys of two columns, one a reference whose id changes; rows that refer to both, and a text that holds both."""

from __future__ import annotations

from django.db import models


class Tenant(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Sheet(models.Model):
    pk = models.CompositePrimaryKey("tenant", "page")
    tenant = models.ForeignKey(Tenant, models.CASCADE)
    page = models.IntegerField()
    text = models.TextField()


class Remark(models.Model):
    name = models.CharField(max_length=20, unique=True)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    page = models.IntegerField()
    sheet = models.ForeignObject(Sheet, models.DO_NOTHING, from_fields=("tenant", "page"), to_fields=("tenant", "page"))


def fill(names: tuple[str, ...]) -> None:
    for number, name in enumerate(names, 1):
        Tenant.objects.create(id=number, name=name)
        for page in (1, 2):
            Sheet.objects.create(tenant_id=number, page=page, text=f"{name} {page}")
        Remark.objects.create(name=name, tenant_id=number, page=2)


def say() -> dict[str, object]:
    return {f"{s.tenant.name} {s.page}": s.text for s in Sheet.objects.all()} | {
        r.name: [r.tenant.name, r.sheet.text] for r in Remark.objects.all()
    }
