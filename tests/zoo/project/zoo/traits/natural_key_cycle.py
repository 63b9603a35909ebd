"""Two models whose keys pass through each other: neither can be looked up first."""

from __future__ import annotations

from django.db import models


class TeamManager(models.Manager):
    def get_by_natural_key(self, title: str, leader: str) -> Team:
        return self.get(title=title, leader__name=leader)


class Team(models.Model):
    title = models.CharField(max_length=20)
    leader = models.ForeignKey("Player", models.SET_NULL, null=True, related_name="+")

    objects = TeamManager()

    class Meta:
        unique_together = (("title", "leader"),)

    def natural_key(self) -> tuple[str, int | None]:
        return (self.title, self.leader_id)


class PlayerManager(models.Manager):
    def get_by_natural_key(self, name: str, team: str) -> Player:
        return self.get(name=name, team__title=team)


class Player(models.Model):
    name = models.CharField(max_length=20)
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")

    objects = PlayerManager()

    class Meta:
        unique_together = (("name", "team"),)

    def natural_key(self) -> tuple[str, int]:
        return (self.name, self.team_id)


def fill() -> None:
    for title in ("red", "red", "blue"):
        team = Team.objects.create(title=title)
        team.leader = Player.objects.create(name="Ada", team=team)
        team.save()
        Player.objects.create(name="Rob", team=team)


def grow() -> None:
    Player.objects.create(name="new", team=Team.objects.create(title="new"))
