# SPDX-License-Identifier: AGPL-3.0-only
"""/api/demo: room tokens and display names for the call page.

Open to anybody who reaches the page, as a demo must be: whoever knows a room's name can join it. A central system
puts its own door (accounts, invitations) where token() is.
"""

import re
import unicodedata

from aiohttp import web

from replies import BadField, json_reply

ROOM = re.compile(r'[A-Za-z0-9_-]{1,64}')
# The wire carries sub as a JSON number, and a browser's numbers are exact up to here.
SUB_MAX = 2 ** 53 - 1
NAME_MAX = 40


def room_of(request: web.Request) -> str:
    room = request.query.get('room', '')
    if not ROOM.fullmatch(room):
        raise BadField('room: 1 to 64 of the characters A-Z a-z 0-9 _ -')
    return room


def sub_of(request: web.Request):
    """The peer's id, or None when the query has none."""
    text = request.query.get('sub')
    if text is None:
        return None
    if not re.fullmatch(r'[0-9]{1,16}', text) or not 1 <= int(text) <= SUB_MAX:
        raise BadField(f'sub: a whole number from 1 to {SUB_MAX}')
    return int(text)


def name_of(request: web.Request) -> str:
    name = ' '.join(request.query.get('name', '').split())
    if len(name) > NAME_MAX:
        raise BadField(f'name: at most {NAME_MAX} characters')
    # Cc and Cf hold terminal escapes and text-direction overrides: nothing a name needs, and much that can forge one.
    # ZWJ and ZWNJ are Cf too, and needed by emoji and by several scripts.
    if any(unicodedata.category(c) in ('Cc', 'Cf', 'Cs') and c not in '\u200c\u200d' for c in name):
        raise BadField('name: no control characters')
    return name


class Demo:
    def __init__(self, mint, roster):
        self._mint = mint
        self._roster = roster

    def routes(self):
        return [
            web.get('/api/demo/token', self.token),
            web.get('/api/demo/names', self.names),
        ]

    async def token(self, request: web.Request) -> web.Response:
        room, sub, name = room_of(request), sub_of(request), name_of(request)
        if sub is None:
            sub = self._roster.free_sub(room)
        self._roster.put(room, sub, name)
        return json_reply({'token': self._mint.mint(room, sub), 'ws': f'/sfu/ws/{room}', 'sub': sub})

    async def names(self, request: web.Request) -> web.Response:
        """A page in the call adds its sub, which keeps its own entry from expiring."""
        room, sub = room_of(request), sub_of(request)
        if sub is not None:
            self._roster.touch(room, sub)
        return json_reply({'names': {str(s): name for s, name in self._roster.names(room).items()}})
