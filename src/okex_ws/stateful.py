"""Stateful: base class of objects whose state a snapshot of the core stores. Imports nothing."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, ClassVar


class AnyEvent(ABC):  # noqa: B024  # `core.snapshot` registers the events as its subclasses
    """Type of a field that holds events of any class."""


class EventClass:
    """Type of a field that holds a class of events."""


class Luck:
    """Type of a field that holds a source of random numbers: the method `random` of a `random.Random`."""

    def __init__(self, source: Callable[[], float]) -> None:
        self.source = source


class Output:
    """Type of a field that lists requested I/O. A snapshot does not store it: after a restore the list is empty."""


class Stateful:
    """Object that a snapshot stores and restores.

    STATE: names of its fields, separated by spaces, by their type; those of its base classes are added. A type is one that
    msgspec decodes, a deque, another Stateful class, or a type of this module. Every field of an instance must be named.
    """

    __slots__ = ()

    STATE: ClassVar[Mapping[Any, str]] = {}

    def restored(self) -> None:
        """Rebuild what is not stored, after all stored fields are set."""
