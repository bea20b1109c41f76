# SPDX-License-Identifier: AGPL-3.0-only
"""GET /api/partner/keys and POST /api/partner/heartbeat (spec/control-plane.md 1.2, 1.3): daily, without credentials."""

from aiohttp import web

from endpoint import Part, body_of, check_fields, check_query, no_bearer, text
from replies import Refused, json_reply

FORMS = ('pem', 'escaped', 'der', 'raw')
PLAYS = ['unchanged', 'missing_version', 'missing_sfu_key', 'missing_[a-z_]+', 'error500', 'key_garbage',
         *(f'key_{form}' for form in FORMS)]


class Keys(Part):
    def routes(self):
        return [
            self.endpoint('GET', '/api/partner/keys', 'keys', self.check_keys, self.keys, PLAYS, once=['rotate', 'new_channels']),
            self.endpoint('POST', '/api/partner/heartbeat', 'heartbeat', self.check_heartbeat, self.heartbeat),
        ]

    async def check_keys(self, request: web.Request) -> None:
        no_bearer(request)
        check_query(request)

    async def keys(self, request: web.Request, found, play: str) -> web.Response:
        s = self.settings
        if play == 'error500':
            raise Refused(500, 'internal_error', 'internal error')
        if play == 'rotate':
            s.rotate_reality()
        if play == 'new_channels':
            s.change_channels()
        body = {'version': s.keys_version(), 'channels_version': s.channels_version(), 'reality_public_key': s.reality_public_key,
                'reality_encryption': s.reality_encryption, 'reality_server_names': s.reality_server_names or [],
                'sfu_signing_public_key': s.sfu_key_as(play[4:] if play[4:] in FORMS else 'pem')}
        if play == 'key_garbage':
            body['sfu_signing_public_key'] = 'this is no key'
        elif play == 'missing_sfu_key':
            del body['sfu_signing_public_key']
        elif play.startswith('missing_'):
            body.pop(play[len('missing_'):], None)
        return json_reply(body)

    async def check_heartbeat(self, request: web.Request):
        no_bearer(request)
        check_query(request)
        body = await body_of(request)
        check_fields(body, {'node_id': text()})
        if body['node_id'] not in self.tables.nodes:
            raise Refused(404, 'node_not_found', 'node_id: no such node')
        return self.tables.nodes[body['node_id']]

    async def heartbeat(self, request: web.Request, node, play: str) -> web.Response:
        node.last_seen_at = self.tables.now()
        return json_reply({'status': 'ok'})
