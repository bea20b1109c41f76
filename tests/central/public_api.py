# SPDX-License-Identifier: AGPL-3.0-only
"""The central system's public API that passes through an edge (spec/control-plane.md 1.10, 7): health, branding, domains, events.

Which partner's site a visitor is on is told by the front in X-Forwarded-Host, else by Host.
"""

import re

from aiohttp import web

from replies import json_reply
from turn_credentials import Limiter, client_of

# Field names as in the spec, section 7; "name" is the short form that the page shows.
BRANDING = {
    'name': 'Edge Call',
    'partner_id': 'demo',
    'domains': [],
    'display_name': 'Edge Call',
    'description': 'Group calls through your own edge node.',
    'colors': {'primary': '#2fb7a0', 'secondary': '#11161c'},
    'copy': {'hero_title_en': 'Meet through your own edge.'},
}
EVENTS_LIMIT, WINDOW_S = 60, 60


def host_of(request: web.Request) -> str:
    host = request.headers.get('X-Forwarded-Host', request.headers.get('Host', '')).strip().lower()
    return re.sub(r':[0-9]*$', '', host)


class NoSites:
    """A hub without partners: one site, whatever its name."""
    primary = None

    def branding(self, host: str) -> dict:
        return {}

    def domains(self, host: str) -> list:
        return []


class PublicApi:
    """sites: branding(host) gives what differs from BRANDING; domains(host) all names, the partner's own first; primary."""

    def __init__(self, sites=None, limiter=None):
        self._sites = sites or NoSites()
        self._limiter = limiter or Limiter(EVENTS_LIMIT, WINDOW_S)

    def routes(self):
        return [
            web.get('/api/health', self.health, name='health'),
            web.get('/api/health/live', self.health, name='health-live'),
            web.get('/api/branding', self.branding, name='branding'),
            web.get('/api/domains', self.domains, name='domains'),
            web.post('/api/event', self.event, name='event'),
        ]

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(text='ok', headers={'Cache-Control': 'no-store'})

    async def branding(self, request: web.Request) -> web.Response:
        return json_reply({**BRANDING, **self._sites.branding(host_of(request))})

    async def domains(self, request: web.Request) -> web.Response:
        host = host_of(request)
        found = self._sites.domains(host)
        primary = host if host in found or not self._sites.primary else self._sites.primary
        others = list(dict.fromkeys(d.lower() for d in found))
        return json_reply({'primary': primary, 'mirrors': [d for d in others if d not in (primary, 'localhost')],
                           'config_version': 1})

    async def event(self, request: web.Request) -> web.Response:
        wait = self._limiter.wait(client_of(request))
        if wait:
            reply = json_reply({'error': 'Too Many Requests'}, status=429)
            reply.headers['Retry-After'] = str(int(wait) + 1)
            return reply
        return web.Response(status=204)
