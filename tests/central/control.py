# SPDX-License-Identifier: AGPL-3.0-only
"""What a test tells the central system, and asks it: a listener of its own, never reachable where the API is.

It stands in for the people and tools behind the real one too: who issues tokens, rotates keys, removes nodes.
"""

import json
import re

from aiohttp import web

from replies import BadField, error_middleware, json_reply
from tables import PARTNER

UNITS = {'s': 1, 'sec': 1, 'm': 60, 'min': 60, 'h': 3600, 'd': 86400, 'w': 604800}
WAIT_MOST_S = 60


def seconds_of(value) -> float:
    """A number of seconds, or "30d", "48h", "2w", "1d 12h"; what is not above zero makes a token that has expired."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    parts = re.findall(r'([0-9]+)\s*([a-z]+)', value) if isinstance(value, str) else []
    if not parts or not re.fullmatch(r'(\s*[0-9]+\s*[a-z]+)+\s*', value) or any(unit not in UNITS for _, unit in parts):
        raise BadField('valid_for: seconds, or a duration like 30d or 48h')
    return sum(int(n) * UNITS[unit] for n, unit in parts)


def number_of(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise BadField(f'{name}: not a number')
    return int(text)


async def object_of(request: web.Request) -> dict:
    try:
        body = json.loads(await request.text() or '{}')
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadField('body: not an object in JSON')
    return body


class Control:
    def __init__(self, settings, tables, script, log):
        self.settings, self.tables, self.script, self.log = settings, tables, script, log

    def app(self) -> web.Application:
        app = web.Application(middlewares=[error_middleware], client_max_size=4 * 1024 * 1024)
        app.add_routes(self.routes())
        return app

    def routes(self):
        return [
            web.get('/__script', self.get_script), web.post('/__script', self.set_script),
            web.get('/__log', self.get_log),
            web.get('/__state', self.get_state), web.post('/__state', self.set_state),
            web.post('/__token', self.token),
            web.post('/__node', self.node),
            web.post('/__reset', self.reset),
        ]

    # --- scenarios ---

    async def get_script(self, request: web.Request) -> web.Response:
        return json_reply(self.script.endpoints())

    async def set_script(self, request: web.Request) -> web.Response:
        body = await object_of(request)
        plays = body.get('play', [])
        if not isinstance(plays, list) or set(body) - {'endpoint', 'play'}:
            raise BadField('play: {"endpoint": NAME, "play": [BEHAVIOUR, ...]}')
        self.script.set(body.get('endpoint'), plays)
        return json_reply(self.script.endpoints()[body['endpoint']])

    async def reset(self, request: web.Request) -> web.Response:
        """Scenarios and log; nodes, tokens and settings stay."""
        self.script.reset()
        self.log.clear()
        return json_reply({'last': self.log.last})

    # --- what came in ---

    async def get_log(self, request: web.Request) -> web.Response:
        """after=N, endpoint=NAME; with wait=SECONDS, once there are count=N (1) of them."""
        after, count = number_of(request, 'after', 0), number_of(request, 'count', 1)
        wait, endpoint = min(number_of(request, 'wait', 0), WAIT_MOST_S), request.query.get('endpoint')
        if wait:
            entries = await self.log.wait_for(after, endpoint, count, wait)
        else:
            entries = self.log.since(after, endpoint)
        return json_reply({'entries': entries, 'last': self.log.last})

    # --- central's own people ---

    async def get_state(self, request: web.Request) -> web.Response:
        versions = {'version': self.settings.keys_version(), 'channels_version': self.settings.channels_version()}
        return json_reply({'settings': self.settings.values, 'versions': versions, **self.tables.shown()})

    async def set_state(self, request: web.Request) -> web.Response:
        body = await object_of(request)
        if body.pop('rotate_reality', False):
            self.settings.rotate_reality()
        if body.pop('change_channels', False):
            self.settings.change_channels()
        self.settings.set(body)
        return await self.get_state(request)

    async def token(self, request: web.Request) -> web.Response:
        """{"partner_id", "valid_for"} issues one; {"revoke": token_id} takes one back."""
        body = await object_of(request)
        if set(body) == {'revoke'}:
            if not self.tables.revoke(body['revoke']):
                raise BadField('revoke: no such token_id')
            return json_reply({'revoked': body['revoke']})
        if not PARTNER.fullmatch(str(body.get('partner_id', ''))):
            raise BadField(f'partner_id: {PARTNER.pattern}')
        raw, row = self.tables.issue(body['partner_id'], seconds_of(body.get('valid_for', '30d')))
        return json_reply({'token': raw, 'token_id': row.token_id, 'partner_id': row.partner_id, 'expires_at': row.expires_at,
                           'token_hash': row.token_hash})

    async def node(self, request: web.Request) -> web.Response:
        """{"partner_id", "domain", more columns} makes a node that need not register; {"node_id", columns} changes one, with
        "rotate": true for a new service token; {"deactivate": node_id} removes it."""
        body = await object_of(request)
        if set(body) == {'deactivate'}:
            if self.tables.nodes.pop(body['deactivate'], None) is None:
                raise BadField('deactivate: no such node_id')
            return json_reply({'deactivated': body['deactivate']})
        if {'partner_id', 'domain'} <= set(body):
            node = self.tables.register(body.pop('partner_id'), body.pop('domain'))
        else:
            node = self.tables.nodes.get(body.pop('node_id', None))
        if node is None:
            raise BadField('node_id: no such node; a new one needs partner_id and domain')
        rotate = body.pop('rotate', False)
        for name, value in body.items():
            if name not in vars(node) or name == 'node_id':
                raise BadField(f'{name}: no such column')
            setattr(node, name, value)
        reply = {'node_id': node.node_id, 'turns_subdomain': node.turns_subdomain, 'edge_id': node.edge_id}
        if rotate or node.service_token_hash is None:
            reply['service_token'] = self.tables.give_service_token(node)
        reply['cross_probe_token'] = self.tables.give_cross_probe_token(node)
        return json_reply(reply)
