"""What the pages of the site under test are made with."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Parts:
    """All of it; the later lists are filled while the site is."""

    label: str
    users: list[Any]
    groups: list[Any]
    locales: dict[str, Any]
    collections: list[Any]
    images: list[Any] = field(default_factory=list)
    papers: list[Any] = field(default_factory=list)
    topics: list[Any] = field(default_factory=list)
    people: list[Any] = field(default_factory=list)
    articles: list[Any] = field(default_factory=list)
    sections: list[Any] = field(default_factory=list)
    home: Any = None
    about: Any = None
