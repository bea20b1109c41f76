# SPDX-License-Identifier: AGPL-3.0-only
"""What a registered node fetches with its service token (spec/control-plane.md 1.5 to 1.7): node-config, cross-probe token,
Hysteria2 credentials."""

import json

from aiohttp import web

from endpoint import Part, check_query
from node_document import document_of
from replies import Refused, json_reply
from script import json_object, merged


class NodeConfig(Part):
    def routes(self):
        return [
            self.endpoint('GET', '/api/partner/node-config', 'node-config', self.check, self.node_config,
                          ['valid', 'no_node_id', 'truncated', r'changed:\{.*\}']),
            self.endpoint('GET', '/api/partner/cross-probe-token', 'cross-probe-token', self.check, self.cross_probe,
                          ['empty', 'empty_body', 'wrong_prefix']),
            self.endpoint('GET', '/api/partner/hy2-credentials', 'hy2-credentials', self.check, self.hy2,
                          ['both', 'one_empty(:(auth|obfs)_pass)?']),
        ]

    async def check(self, request: web.Request):
        check_query(request)
        node = self.service_node(request)
        if request.headers.get('X-Node-Id', node.node_id) not in (node.node_id, node.partner_id):
            raise Refused(403, 'wrong_node', "X-Node-Id: the token is another node's")
        return node

    async def node_config(self, request: web.Request, node, play: str) -> web.Response:
        doc = {**document_of(self.settings, self.tables, node), 'partner_id': node.partner_id, 'domain': node.domain}
        if play.startswith('changed:'):
            doc = merged(doc, json_object(play.partition(':')[2]))
        if play == 'no_node_id':
            del doc['node_id']
        if play == 'truncated':
            whole = json.dumps(doc)
            return web.Response(text=whole[:len(whole) // 2], content_type='application/json')
        return json_reply(doc)

    async def cross_probe(self, request: web.Request, node, play: str) -> web.Response:
        token = self.tables.give_cross_probe_token(node)
        if play == 'empty_body':
            return web.Response(content_type='application/json')
        if play == 'empty':
            token = ''
        if play == 'wrong_prefix':
            token = token.replace('xprb_', 'stkn_')
        return json_reply({'cross_probe_token': token})

    async def hy2(self, request: web.Request, node, play: str) -> web.Response:
        body = {'auth_pass': self.settings.hy2_auth_pass, 'obfs_pass': self.settings.hy2_obfs_pass}
        if play.startswith('one_empty'):
            body[play.partition(':')[2] or 'obfs_pass'] = ''
        return json_reply(body)
