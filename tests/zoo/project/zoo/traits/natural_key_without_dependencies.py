"""A key through a reference that does not declare its `dependencies`: dumpdata sorts the models wrongly."""

from __future__ import annotations

from django.db import models


class CountryManager(models.Manager):
    def get_by_natural_key(self, code: str) -> Country:
        return self.get(code=code)


class CityManager(models.Manager):
    def get_by_natural_key(self, name: str, country: str) -> City:
        return self.get(name=name, country__code=country)


class City(models.Model):
    country = models.ForeignKey("Country", models.CASCADE)
    name = models.CharField(max_length=20)

    objects = CityManager()

    class Meta:
        unique_together = (("country", "name"),)

    def natural_key(self) -> tuple[str, ...]:
        return (self.name, *self.country.natural_key())


class Country(models.Model):
    code = models.CharField(max_length=2, unique=True)

    objects = CountryManager()

    def natural_key(self) -> tuple[str]:
        return (self.code,)


def fill() -> None:
    for code in ("de", "fr"):
        country = Country.objects.create(code=code)
        for name in ("Neustadt", f"Ville {code}"):
            City.objects.create(country=country, name=name)


def grow() -> None:
    City.objects.create(country=Country.objects.create(code="it"), name="Neustadt")
