# SPDX-License-Identifier: AGPL-3.0-only
"""POST /api/partner/channel-health: a node's own channels (stkn_), and peers that it probed (xprb_).

spec/control-plane.md 1.4; spec/operations.md 5 has more fields of the relay's report.
The bearer's prefix says which kind of body must follow. Of each channel the latest report is kept.
"""

from aiohttp import web

from endpoint import Part, bearer_of, body_of, boolean, check_fields, check_query, number, one_of, text, utc_time
from node_document import roster_of
from replies import Refused, json_reply

SELF_REQUIRED = {'node_id': text(), 'channel_name': one_of('ch1', 'ch2', 'ch3', 'coturn'), 'channel_probed_at': utc_time}
COTURN_ONLY = {'channel_probe_mode': text(1, 32), 'channel_probe_reason': text(1, 32), 'coturn_skip_consecutive': number}
SELF_OPTIONAL = {'channel_rtt_ms': number, 'channel_handshake_ok': boolean, 'installer_version': text(1, 64), **COTURN_ONLY}
PEER = {'prober_node_id': text(), 'target_node_id': text(), 'channel_name': one_of('coturn-tls', 'coturn-udp'),
        'handshake_ok': boolean, 'rtt_ms': number, 'probe_mode': one_of('peer'), 'probed_at': utc_time}


class ChannelHealth(Part):
    def routes(self):
        return [self.endpoint('POST', '/api/partner/channel-health', 'channel-health', self.check, self.answer, ['200'])]

    async def check(self, request: web.Request) -> tuple:
        check_query(request)
        kind, token = bearer_of(request)
        node = self.tables.by_service_token(token) if kind == 'stkn' else self.tables.by_cross_probe_token(token)
        if node is None:
            raise Refused(401, 'unknown_bearer', 'no node has this token')
        body = await body_of(request)
        if ('prober_node_id' in body) != (kind == 'xprb'):
            raise Refused(422, 'wrong_body_kind', f'a {kind}_ bearer with the other kind of body')
        return (self._check_self if kind == 'stkn' else self._check_peer)(body, node)

    def _check_self(self, body: dict, node) -> tuple:
        check_fields(body, SELF_REQUIRED, SELF_OPTIONAL)
        for name in COTURN_ONLY:
            if name in body and body['channel_name'] != 'coturn':
                raise Refused(422, 'bad_field', f'{name}: for coturn only')
        if body['node_id'] != node.node_id:
            raise Refused(403, 'wrong_node', "node_id: the token is another node's")
        return body, node

    def _check_peer(self, body: dict, prober) -> tuple:
        check_fields(body, PEER)
        if body['prober_node_id'] != prober.node_id:
            raise Refused(403, 'wrong_node', "prober_node_id: the token is another node's")
        if body['target_node_id'] not in {peer.get('node_id') for peer in roster_of(self.settings, self.tables, prober)}:
            raise Refused(404, 'target_not_found', "target_node_id: not in this node's roster")
        return body, self.tables.nodes.get(body['target_node_id'])

    async def answer(self, request: web.Request, found: tuple, play: str) -> web.Response:
        body, node = found
        if 'prober_node_id' not in body:
            node.channels[body['channel_name']] = body
            node.installer_version = body.get('installer_version', node.installer_version)
        elif node is not None:
            key = (body['prober_node_id'], body['channel_name'])
            others = [r for r in node.peer_reports if (r['prober_node_id'], r['channel_name']) != key]
            node.peer_reports = others + [body]
        return json_reply({'status': 'ok'})
