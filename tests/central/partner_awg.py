# SPDX-License-Identifier: AGPL-3.0-only
"""GET /api/partner/awg-params/latest, POST .../applied (spec/control-plane.md 1.8, 1.9, 6.2): published epochs of the mesh."""

import base64

from aiohttp import web

from endpoint import Part, body_of, check_fields, check_query, number, one_of
from replies import Refused, json_reply

HPK = base64.b64encode(bytes(range(32))).decode()
PEER_BLOCK = '<b 0x01>\n[Peer]\nPublicKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAllowedIPs = 0.0.0.0/0'
ZERO_FORMS = {'S3': 0, 'HeaderProtectionKey': base64.b64encode(bytes(32)).decode(), 'RandomTrailers': False,
              'DisableCookies': False, 'I1': '', 'I2': None}

# Parameters that differ from the published ones; None leaves one out, 'null' is JSON's null.
CHANGED = {
    'unknown_keys': {'Z9': 'from the future', 'Nested': {'a': [1]}},
    'h_range': {'H1': '100000-100009', 'H2': '200000'},
    'inverted_range': {'H1': '100009-100000'},
    'h_overlap': {'H1': '100000-200000'},
    'i1_peer_block': {'I1': PEER_BLOCK},
    'hpk_small_s': {'HeaderProtectionKey': HPK, 'S1': 11},
    'hpk': {'HeaderProtectionKey': HPK, 'RandomTrailers': True},
    'zero_forms': ZERO_FORMS,
    's1_56_s2': {'S1': 20, 'S2': 76},
    'jmin_over_jmax': {'Jmin': 200, 'Jmax': 100},
    'large_s': {'S1': 65536},
    'bad_i1': {'I1': '<b 0x0>'},
    'wrong_shape': {'H1': [1, 2]},
}


class AwgParams(Part):
    def routes(self):
        return [
            self.endpoint('GET', '/api/partner/awg-params/latest', 'awg-params-latest', self.check_latest, self.latest,
                          ['older', 'equal', '204', 'missing_[A-Z][A-Za-z0-9]*', *CHANGED], once=['newer']),
            self.endpoint('POST', '/api/partner/awg-params/applied', 'awg-params-applied', self.check_applied, self.applied,
                          ['200']),
        ]

    async def check_latest(self, request: web.Request) -> tuple:
        node = self.service_node(request)
        check_query(request, component=('awg',), schema=('1', '2'))
        if 'component' not in request.query:
            raise Refused(422, 'missing_field', 'component: missing in the query')
        schema = int(request.query.get('schema', '1'))
        node.awg_schema = max(node.awg_schema or 0, schema)
        return node, schema

    async def latest(self, request: web.Request, found: tuple, play: str) -> web.Response:
        s, (node, schema) = self.settings, found
        if play == 'newer':
            s.publish_epoch({**s.awg_params, 'Jc': s.awg_params.get('Jc', 3) % 6 + 3})
        # An agent of schema 1 would drop what it does not know and lose its peer: it is told nothing.
        if play == '204' or (schema == 1 and not s.awg_epoch_is_v1()):
            return web.Response(status=204)
        epoch, params = s.awg_epoch, dict(s.awg_params)
        if play == 'older':
            epoch -= 1
        elif play in CHANGED:
            epoch += 1
            params.update(CHANGED[play])
        elif play.startswith('missing_'):
            epoch += 1
            params.pop(play[len('missing_'):], None)
        if epoch not in node.awg_offered:
            node.awg_offered.append(epoch)
        return json_reply({'epoch': epoch, 'params': params})

    async def check_applied(self, request: web.Request) -> tuple:
        node = self.service_node(request)
        check_query(request)
        body = await body_of(request)
        check_fields(body, {'component': one_of('awg'), 'epoch': number})
        return node, body['epoch']

    async def applied(self, request: web.Request, found: tuple, play: str) -> web.Response:
        node, epoch = found
        if epoch != self.settings.awg_epoch and epoch not in node.awg_offered:
            raise Refused(404, 'epoch_not_found', 'epoch: never published')
        node.awg_applied_epoch = epoch
        return json_reply({'status': 'ok'})
