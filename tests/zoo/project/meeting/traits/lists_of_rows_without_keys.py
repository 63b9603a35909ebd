"""Rows without any key, doubled ones among them, with rows without keys that refer to them."""

from __future__ import annotations

from collections import Counter

from django.db import models


class Line(models.Model):
    text = models.CharField(max_length=20)


class Word(models.Model):
    line = models.ForeignKey(Line, models.CASCADE)
    text = models.CharField(max_length=20)


class Letter(models.Model):
    word = models.ForeignKey(Word, models.CASCADE)
    text = models.CharField(max_length=20)


def fill(names: tuple[str, ...]) -> None:
    for name in (*names, *names[:2]):
        line = Line.objects.create(text="same" if name == "bob" else name)
        for text in ("w", "w", name):
            word = Word.objects.create(line=line, text=text)
            Letter.objects.create(word=word, text=text[0])


def say() -> dict[str, object]:
    letters = Counter(f"{one.text} {one.word.text} {one.word.line.text}" for one in Letter.objects.all())
    return {**letters, **Counter(f"line {one.text}" for one in Line.objects.all())}
