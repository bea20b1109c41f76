# SPDX-License-Identifier: AGPL-3.0-only
"""What each endpoint is told to do: a queue of behaviours per endpoint, the last one stays; "ok" without any.

Behaviours that every endpoint has are here. Those that only one has are its own business; it declares their names, so that a
misspelt one is an error when it is set and not a test that tests nothing.
"""

import asyncio
import json
import re
from collections import deque

from aiohttp import web

from lies import LIES, lie
from replies import BadField, Refused

ALL = 'all'
COMMON = [r'ok', r'slow:[0-9]+(ms|s)?', r'hang', r'down', rf'lying(:({"|".join(LIES)}))?', r'[45][0-9]{2}(:[0-9]+)?']
TIMES = re.compile(r'(.+)x([1-9][0-9]?)')
RETRY_AFTER_S = 30
HANG_MOST_S = 600


def is_one_of(play: str, patterns) -> bool:
    return any(re.fullmatch(p, play, re.DOTALL) for p in patterns)


class Script:
    def __init__(self):
        self._names = {ALL: []}         # endpoint -> patterns of its own behaviours
        self._once, self._own = {}, set()
        self._queues = {}
        self._lies = 0
        self.stopping = asyncio.Event()

    def add(self, endpoint: str, plays=(), once=(), own=False) -> None:
        """own: the endpoint calls perform() by itself, after it has checked the request."""
        self._names[endpoint] = [*plays, *once]
        self._once[endpoint] = list(once)
        if own:
            self._own.add(endpoint)

    def endpoints(self) -> dict:
        return {name: {'plays': plays, 'queue': list(self._queues.get(name, ()))} for name, plays in self._names.items()}

    def reset(self) -> None:
        self._queues.clear()

    def set(self, endpoint: str, plays: list) -> None:
        if endpoint not in self._names:
            raise BadField(f'endpoint: no {endpoint}; there are {", ".join(sorted(self._names))}')
        queue = deque()
        for play in plays:
            queue.extend(self._expanded(endpoint, play))
        if plays and not is_one_of(plays[-1], COMMON + self._names[endpoint]):
            queue.append('ok')      # 503x2: twice, and then no more
        self._queues[endpoint] = queue

    def _expanded(self, endpoint: str, play) -> list:
        known = COMMON + self._names[endpoint]
        if isinstance(play, str) and is_one_of(play, known):
            if play.startswith('changed:'):
                json_object(play.partition(':')[2])
            return [play]
        times = TIMES.fullmatch(play) if isinstance(play, str) else None
        if times and is_one_of(times[1], known):
            return [times[1]] * int(times[2])
        raise BadField(f'play: {endpoint} has no {play}; it has {", ".join(known)}')

    def _next(self, endpoint: str) -> str:
        queue = self._queues.get(endpoint)
        if not queue:
            return 'ok'
        if len(queue) > 1:
            return queue.popleft()
        play = queue[0]
        if is_one_of(play, self._once.get(endpoint, ())):
            queue[0] = 'ok'
        return play

    # --- playing ---

    @web.middleware
    async def middleware(self, request: web.Request, handler):
        name = request.match_info.route.name

        async def inner(_) -> web.StreamResponse:
            if name is None or name in self._own:
                return await handler(request)
            return await self.perform(request, name, lambda play: handler(request))
        return await self.perform(request, ALL, inner)

    async def perform(self, request: web.Request, endpoint: str, answer) -> web.StreamResponse:
        play = self._next(endpoint)
        if play != 'ok':
            request['plays'].append(play)
        if not is_one_of(play, COMMON):
            return await answer(play)
        word, _, value = play.partition(':')
        if word == 'slow':
            await self._wait(request, slow_seconds(value, endpoint))
        elif word == 'hang':
            return await self.hang(request)
        elif word == 'down':
            return self._cut(request)
        elif word.isdecimal():
            return failure(int(word), value)
        reply = await answer('ok')
        return self._lied(reply, value) if word == 'lying' else reply

    def _lied(self, reply, kind: str):
        if not kind:
            kind = list(LIES)[self._lies % len(LIES)]
            self._lies += 1
        return lie(reply, kind)

    async def hang(self, request: web.Request) -> web.Response:
        """No answer; it ends when the client leaves or the program does."""
        await self._wait(request, HANG_MOST_S)
        return self._cut(request)

    async def _wait(self, request: web.Request, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end and not self.stopping.is_set() and request.transport and not request.transport.is_closing():
            await asyncio.sleep(min(0.05, max(0.0, end - loop.time())))

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport:
            request.transport.abort()
        return web.Response(status=503)     # for the log; nothing can be sent any more


def slow_seconds(value: str, endpoint: str) -> float:
    """With a unit, or bare: milliseconds for all, seconds for one endpoint."""
    if value.endswith('ms'):
        return int(value[:-2]) / 1000
    if value.endswith('s'):
        return float(value[:-1])
    return int(value) / 1000 if endpoint == ALL else float(value)


def failure(status: int, retry_after: str) -> web.Response:
    raise Refused(status, f'scripted_{status}', 'scripted',
                  {'Retry-After': retry_after or str(RETRY_AFTER_S)} if status in (408, 429, 503) else {})


def merged(doc, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    doc = dict(doc) if isinstance(doc, dict) else {}
    for name, value in patch.items():
        if value is None:
            doc.pop(name, None)
        else:
            doc[name] = merged(doc.get(name), value)
    return doc


def json_object(text: str) -> dict:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadField('play: an object in JSON follows the colon')
    return found
