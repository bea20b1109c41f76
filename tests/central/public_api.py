# SPDX-License-Identifier: AGPL-3.0-only
"""The central system's public API that passes through an edge (spec/control-plane.md 1.10): health and branding."""

from aiohttp import web

from replies import json_reply

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


class PublicApi:
    def routes(self):
        return [
            web.get('/api/health', self.health),
            web.get('/api/branding', self.branding),
        ]

    async def health(self, request: web.Request) -> web.Response:
        return json_reply({'status': 'ok'})

    async def branding(self, request: web.Request) -> web.Response:
        return json_reply(BRANDING)
