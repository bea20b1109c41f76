# SPDX-License-Identifier: AGPL-3.0-only
"""POST /api/turn-credentials (spec/control-plane.md 1.10): time-limited TURN credentials in coturn's REST form.

The username is `<unix expiry>:chat-user` and the credential the base64 of its HMAC-SHA1 under the secret that the hub
shares with the TURN server: nothing is stored, and the server checks both by itself.
"""

import base64
import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict

from aiohttp import web

from replies import json_reply

TTL_S = 86400
USER = 'chat-user'
LIMIT = 30
WINDOW_S = 60
MAX_CLIENTS = 10_000


class Limiter:
    """So many requests per client within a sliding window; what was silent longest is forgotten first."""

    def __init__(self, limit: int = LIMIT, window: float = WINDOW_S, max_clients: int = MAX_CLIENTS, now=time.monotonic):
        self._clients = OrderedDict()      # client -> times of its requests that were let through; latest request last
        self._limit, self._window, self._max_clients, self._now = limit, window, max_clients, now

    def wait(self, client: str) -> float:
        """0 and the request counts, or the seconds until one would be let through."""
        now = self._now()
        times = [t for t in self._clients.pop(client, ()) if now - t < self._window]
        self._clients[client] = times
        while len(self._clients) > self._max_clients:
            self._clients.popitem(last=False)
        if len(times) >= self._limit:
            return self._window - (now - times[0])
        times.append(now)
        return 0


def client_of(request: web.Request) -> str:
    """The front on this machine tells who asks; from anywhere else the header is only a claim."""
    peer = request.remote or ''
    try:
        if ipaddress.ip_address(peer).is_loopback:
            return request.headers.get('X-Forwarded-For', peer)
    except ValueError:
        pass
    return peer


def urls_of(turn=None, turns=None) -> tuple:
    """(STUN urls, TURN urls) of a server at turn, HOST:PORT, that is also behind TLS at turns: UDP first, TLS last."""
    stun_urls = [f'stun:{turn}'] if turn else []
    turn_urls = [f'turn:{turn}?transport=udp', f'turn:{turn}?transport=tcp'] if turn else []
    return stun_urls, turn_urls + ([f'turns:{turns}?transport=tcp'] if turns else [])


class TurnCredentials:
    """secret: None when there is no TURN server. The urls are handed out as they are."""

    def __init__(self, secret=None, stun_urls=(), turn_urls=(), limiter=None, now=time.time):
        self._secret, self._now = secret, now
        self._stun_urls, self._turn_urls = list(stun_urls), list(turn_urls)
        self._limiter = limiter or Limiter()

    def set_secret(self, secret) -> None:
        self._secret = secret

    def routes(self):
        return [web.post('/api/turn-credentials', self.credentials, name='turn-credentials')]

    async def credentials(self, request: web.Request) -> web.Response:
        wait = self._limiter.wait(client_of(request))
        if wait:
            reply = json_reply({'error': 'Too Many Requests'}, status=429)
            reply.headers['Retry-After'] = str(int(wait) + 1)
            return reply
        if self._secret is None:
            return json_reply({'error': 'TURN not configured'}, status=503)
        username = f'{int(self._now()) + TTL_S}:{USER}'
        mac = hmac.new(self._secret, username.encode(), hashlib.sha1).digest()
        credential = base64.b64encode(mac).decode('ascii')
        servers = [{'urls': self._stun_urls}] if self._stun_urls else []
        if self._turn_urls:
            servers.append({'urls': self._turn_urls, 'username': username, 'credential': credential})
        return json_reply({'username': username, 'credential': credential, 'ttl': TTL_S, 'ice_servers': servers,
                           'iceTransportPolicy': 'all'})
