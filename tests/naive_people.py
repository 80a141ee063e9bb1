"""Merging and erasing, in memory and as plainly as can be: what the store is compared with."""

from __future__ import annotations

from collections import Counter

DAY = 86_400 * 10**6


class NaivePeople:
    def __init__(self) -> None:
        self.log: list[list] = []  # [event_id, person, item, time], in the order of positions
        self.known_as: dict[str, str] = {}
        self.erased: set[str] = set()
        self.counted = 0  # events of the log, from its beginning, that are in the counts

    def final(self, person: str) -> str:
        while person in self.known_as:
            person = self.known_as[person]
        return person

    def append(self, event_id: str, person: str, item: str, time: int) -> str:
        if event_id in self.erased:
            return "erased"
        if any(event_id == one[0] for one in self.log):
            return "duplicate"
        self.log.append([event_id, self.final(person), item, time])
        return "accepted"

    def merge(self, person: str, into: str) -> int | None:
        """Return how many events moved; None: it is refused."""
        target, known = self.final(into), self.final(person)
        if target == person or known not in (person, target):
            return None
        moved = [one for one in self.log if one[1] == person]
        for one in moved:
            one[1] = target
        if known == person:
            self.known_as[person] = target
        return len(moved)

    def erase(self, user: str) -> int:
        person = self.final(user)
        gone = [one for one in self.log if one[1] == person]
        self.counted -= sum(one in gone for one in self.log[: self.counted])
        self.log = [one for one in self.log if one not in gone]
        self.erased |= {one[0] for one in gone}
        around = {who for who in self.known_as if self.final(who) == person}
        self.known_as = {who: into for who, into in self.known_as.items() if who not in around}
        return len(gone)

    def count(self, limit: int) -> None:
        self.counted = min(self.counted + limit, len(self.log))

    def counts(self) -> dict[tuple[int, str], int]:
        return dict(Counter((time // DAY, item) for _, _, item, time in self.log[: self.counted]))
