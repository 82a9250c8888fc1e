"""Progress: what long work reports while it goes on, whoever listens."""

from typing import Protocol


class Progress(Protocol):
    """Listens to long work: a terminal's progress bar, plain lines, or nothing."""

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Work on `total` requests, or on whatever `what` names, begins; earlier sessions finished `done` of them."""

    def advance(self, failed: bool, by: int = 1) -> None:
        """So many more have ended, all of them well or all of them failed."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def fault(self, text: str) -> None:
        """A request failed and is tried again."""


class Silence:
    """Progress that nobody listens to."""

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Nothing."""

    def advance(self, failed: bool, by: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def fault(self, text: str) -> None:
        """Nothing."""
