# SPDX-License-Identifier: AGPL-3.0-only
"""Who is in which room, as far as the page has told the hub: peer ids and the names that people chose.

This is decoration, not access control: the SFU knows peers by the token's sub alone, and a forgotten entry costs a
display name. So every bound evicts what was touched longest ago instead of refusing the newcomer.
"""

import secrets
import time
from collections import OrderedDict

MAX_ROOMS = 1000
MAX_PEERS = 64
# A page in a call touches its entry once a minute, so this outlives sleep and long outages, not a day.
TTL_S = 2 * 3600


class Roster:
    def __init__(self, max_rooms: int = MAX_ROOMS, max_peers: int = MAX_PEERS, ttl: float = TTL_S, now=time.monotonic):
        self._rooms = OrderedDict()      # room -> OrderedDict(sub -> [name, touched]); both oldest touch first
        self._max_rooms, self._max_peers, self._ttl, self._now = max_rooms, max_peers, ttl, now

    def put(self, room: str, sub: int, name: str) -> None:
        peers = self._rooms.setdefault(room, OrderedDict())
        # A reconnecting page may not repeat its name; it keeps the one it had.
        if not name and sub in peers:
            name = peers[sub][0]
        peers[sub] = [name, self._now()]
        self._touched(room, sub)
        while len(peers) > self._max_peers:
            peers.popitem(last=False)
        while len(self._rooms) > self._max_rooms:
            self._rooms.popitem(last=False)

    def touch(self, room: str, sub: int) -> None:
        peers = self._rooms.get(room, {})
        if sub in peers:
            peers[sub][1] = self._now()
            self._touched(room, sub)

    def names(self, room: str) -> dict:
        """sub -> name of everybody who gave one and was seen within the time limit."""
        self._expire(room)
        return {sub: name for sub, (name, _) in self._rooms.get(room, {}).items() if name}

    def free_sub(self, room: str) -> int:
        """An id nobody in the room has. Random and 32 bits wide, so that a hub that forgot a peer (restart, eviction)
        still does not hand its id to another: the SFU would throw the first one out as replaced."""
        self._expire(room)
        taken = self._rooms.get(room, {})
        while True:
            sub = secrets.randbelow(2 ** 32 - 1000) + 1000
            if sub not in taken:
                return sub

    def _touched(self, room: str, sub: int) -> None:
        self._rooms[room].move_to_end(sub)
        self._rooms.move_to_end(room)

    def _expire(self, room: str) -> None:
        peers = self._rooms.get(room)
        if peers is None:
            return
        oldest = self._now() - self._ttl
        while peers and next(iter(peers.values()))[1] < oldest:
            peers.popitem(last=False)
        if not peers:
            del self._rooms[room]
