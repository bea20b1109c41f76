# SPDX-License-Identifier: AGPL-3.0-only
"""WS /ws/call/{room} (spec/control-plane.md 1.10): the two sides of a call hear each other; one alone hears itself.

Nothing is stored and nothing is understood: enough to show that a WebSocket passes through an edge in both directions.
"""

import re

from aiohttp import WSMsgType, web

from replies import BadField, Refused

ROOM = re.compile(r'[A-Za-z0-9_-]{1,64}')
MAX_ROOMS = 1000
MAX_MESSAGE = 64 * 1024
SILENCE_S = 30


class Signalling:
    def __init__(self):
        self._rooms = {}        # room -> its one or two sockets

    def routes(self):
        return [web.get('/ws/call/{room}', self.call, name='signalling')]

    async def close(self, app: web.Application) -> None:
        for sockets in list(self._rooms.values()):
            for ws in list(sockets):
                await ws.close(code=1001)

    async def call(self, request: web.Request) -> web.WebSocketResponse:
        room = request.match_info['room']
        if not ROOM.fullmatch(room):
            raise BadField('room: 1 to 64 of the characters A-Z a-z 0-9 _ -')
        if len(self._rooms.get(room, ())) >= 2 or (room not in self._rooms and len(self._rooms) >= MAX_ROOMS):
            raise Refused(409, 'room_full', 'two are in this room')
        ws = web.WebSocketResponse(heartbeat=SILENCE_S, max_msg_size=MAX_MESSAGE)
        sockets = self._rooms.setdefault(room, [])
        sockets.append(ws)
        try:
            await ws.prepare(request)
            await self._relay(ws, sockets)
        finally:
            sockets.remove(ws)
            if not sockets:
                self._rooms.pop(room, None)
        return ws

    @staticmethod
    async def _relay(ws: web.WebSocketResponse, sockets: list) -> None:
        async for message in ws:
            to = next((other for other in sockets if other is not ws), ws)
            if to.closed or not to.prepared:
                continue
            try:
                if message.type == WSMsgType.TEXT:
                    await to.send_str(message.data)
                elif message.type == WSMsgType.BINARY:
                    await to.send_bytes(message.data)
            except ConnectionError:
                continue
