# SPDX-License-Identifier: AGPL-3.0-only
"""Every request that came in, for tests to look at: written down when it arrives, so that one left without an answer is there too.

Of a bearer only its kind and hash are kept. The oldest entries go when there are too many.
"""

import asyncio
import json
import time
from collections import deque

from aiohttp import web

from tables import token_hash

MAX_ENTRIES = 5000
MAX_TEXT = 4096


def authorization(value: str) -> dict:
    scheme, _, token = value.partition(' ')
    prefix, underscore, _ = token.partition('_')
    return {'scheme': scheme, 'kind': prefix if underscore and len(prefix) == 4 else 'other', 'sha256': token_hash(token)}


def headers_of(request: web.Request) -> dict:
    found = {}
    for name, value in request.headers.items():
        name = name.lower()
        shown = authorization(value) if name == 'authorization' else value
        found[name] = shown if name not in found else [found[name], shown]
    return found


class RequestLog:
    def __init__(self):
        self._entries = deque(maxlen=MAX_ENTRIES)
        self._last = 0
        self._news = asyncio.Condition()

    @web.middleware
    async def middleware(self, request: web.Request, handler):
        body, fault = b'', None
        try:
            body = await request.read() if request.can_read_body else b''
        except web.HTTPRequestEntityTooLarge as e:
            fault = e
        entry = await self._add(request, body)
        try:
            if fault:
                raise fault
            reply = await handler(request)
            entry['status'] = reply.status
            return reply
        except Exception as e:
            entry['status'], entry['code'] = getattr(e, 'status', 500), getattr(e, 'code', None)
            entry['error'] = str(e)
            raise

    async def _add(self, request: web.Request, body: bytes) -> dict:
        self._last += 1
        entry = {'n': self._last, 'time': time.time(), 'tls': request.secure, 'peer': request.remote,
                 'endpoint': request.match_info.route.name, 'method': request.method, 'path': request.path,
                 'query': dict(request.query), 'headers': headers_of(request), 'body': None,
                 'status': None, 'code': None, 'error': None, 'plays': request.setdefault('plays', [])}
        try:
            entry['body'] = json.loads(body) if body else None
        except ValueError:
            entry['text'] = body[:MAX_TEXT].decode(errors='replace')
        self._entries.append(entry)
        async with self._news:
            self._news.notify_all()
        return entry

    def clear(self) -> None:
        """Numbers go on: what a test remembers as the last one stays older than what follows."""
        self._entries.clear()

    def since(self, after: int, endpoint=None) -> list:
        return [e for e in self._entries if e['n'] > after and endpoint in (None, e['endpoint'])]

    async def wait_for(self, after: int, endpoint, count: int, seconds: float) -> list:
        """As since(), but at least so many, or what there is after so many seconds."""
        async def enough():
            async with self._news:
                await self._news.wait_for(lambda: len(self.since(after, endpoint)) >= count)
        try:
            await asyncio.wait_for(enough(), seconds)
        except asyncio.TimeoutError:
            pass
        return self.since(after, endpoint)

    @property
    def last(self) -> int:
        return self._last
