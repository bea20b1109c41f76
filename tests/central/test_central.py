# SPDX-License-Identifier: AGPL-3.0-only
"""Tests of the central system's double: what it refuses, and every scenario by its name. Run: /usr/bin/python3 -m unittest
test_central"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from ca import Ca  # noqa: E402
from central_rig import AT, AWG_KEY, KEYS, NO_ANSWER, PARTNER, UUID, CentralCase  # noqa: E402
from partner_awg import CHANGED, PEER_BLOCK  # noqa: E402
from partner_register import ERRORS  # noqa: E402
from settings import sha256_of  # noqa: E402



class Register(CentralCase):
    async def test_reply_of_a_first_registration(self):
        body = await self.register()
        self.assertRegex(body['node_id'], r'\Aacme-[0-9a-f]{12}\Z')
        self.assertEqual(body['turns_subdomain'], 'api-' + body['node_id'][5:])
        self.assertRegex(body['service_token'], r'\Astkn_[A-Za-z0-9_-]{43}\Z')
        self.assertEqual(set(body), {
            'node_id', 'turns_subdomain', 'backend_endpoint', 'turn_secret', 'reality_uuid', 'reality_public_key',
            'reality_short_id', 'reality_server_name', 'reality_server_names', 'reality_encryption', 'config_version',
            'signaling_sfu_secret', 'public_ip', 'hysteria2_server', 'channels', 'awg', 'peer_roster', 'service_token'})
        self.assertEqual(body['public_ip'], '198.51.100.7')
        self.assertEqual([c['id'] for c in body['channels']], ['ch1', 'ch3'])
        self.assertEqual(body['awg'], {
            'allocated_ip': '10.9.0.7/32', 'motherly_pubkey': body['awg']['motherly_pubkey'],
            'motherly_endpoint': '203.0.113.10:51820', 'motherly_awg_ip': '10.9.0.2', 'edge_id': 'acme1',
            'jc': 4, 'jmin': 50, 'jmax': 150, 's1': 20, 's2': 31, 's4': 18,
            'h1': 100000, 'h2': 200000, 'h3': 300000, 'h4': 400000})

    async def test_the_node_stays_and_its_service_token_comes_once(self):
        first, again = await self.register(), await self.register()
        self.assertEqual((first['node_id'], first['turns_subdomain']), (again['node_id'], again['turns_subdomain']))
        self.assertNotIn('service_token', again)
        other = await self.register(domain='call2.acme.test')
        self.assertNotEqual(other['node_id'], first['node_id'])
        self.assertEqual(other['awg']['allocated_ip'], '10.9.0.8/32')
        self.assertEqual(other['peer_roster'], [
            {'node_id': first['node_id'], 'turns_host': f'{first["turns_subdomain"]}.call.acme.test', 'turns_port': 443}])
        self.assertRegex(other['cross_probe_token'], r'\Axprb_')

    async def test_without_a_mesh_key_there_is_no_mesh(self):
        token = await self.issue()
        body = self.request_of(token)
        del body['awg_pubkey']
        self.assertNotIn('awg', await self.expect(201, None, 'POST', f'{PARTNER}register', json=body))

    async def test_what_is_sent_is_kept(self):
        await self.register(region='eu', branding={'display_name': 'Acme'}, headers={'X-Installer-Version': 'v3.1.0'})
        async with self.control.get('/__state') as r:
            state = await r.json()
        node, token = state['nodes'][0], state['tokens'][0]
        self.assertEqual((node['region'], node['branding'], node['installer_version']), ('eu', {'display_name': 'Acme'}, 'v3.1.0'))
        self.assertEqual((node['reality_uuid'], node['awg_pubkey'], node['public_ip']), (UUID, AWG_KEY, '198.51.100.7'))
        self.assertEqual((token['node_id'], token['used_from_ip']), (node['node_id'], '198.51.100.7'))
        self.assertNotIn('token', token)

    async def test_wrong_fields(self):
        rows = [('public_ip', 'here'), ('public_ip', 7), ('domain', 'no_host'), ('domain', ''), ('awg_pubkey', 'B' * 43),
                ('awg_pubkey', None), ('reality_public_key', 'B' * 42), ('reality_uuid', UUID.upper()), ('branding', 'text'),
                ('branding', []), ('region', ''), ('partner_id', 7), ('token', None)]
        token = await self.issue()
        for field, value in rows:
            with self.subTest(field=field, value=value):
                body = {**self.request_of(token), field: value}
                got = await self.expect(422, 'bad_field', 'POST', f'{PARTNER}register', json=body)
                self.assertTrue(got['error'].startswith(f'{field}: '), got)
        for body, code in (({**self.request_of(token), 'node_id': 'x'}, 'unknown_field'), ({'token': token}, 'missing_field'),
                           ([], 'bad_field')):
            await self.expect(422, code, 'POST', f'{PARTNER}register', json=body)
        await self.register(token=token)        # none of these used it up

    async def test_wrong_requests(self):
        path, token = f'{PARTNER}register', await self.issue()
        good = json.dumps(self.request_of(token))
        js = {'Content-Type': 'application/json'}
        rows = [(415, 'unsupported_media_type', {'Content-Type': 'text/plain'}, good),
                (415, 'unsupported_media_type', {'Content-Type': 'application/x-www-form-urlencoded'}, good),
                (400, 'bad_json', js, good[:-1]), (400, 'bad_json', js, ''), (400, 'bad_json', js, b'\xff{}'),
                (400, 'bad_json', js, '{"token":"a","token":"b"}'), (400, 'bad_json', js, '{"token":NaN}'),
                (400, 'unexpected_authorization', {**js, 'Authorization': 'Bearer x'}, good),
                (413, None, js, b' ' * 70000)]
        for status, code, headers, data in rows:
            with self.subTest(status=status, data=data[:30]):
                await self.expect(status, code, 'POST', path, headers=headers, data=data)
        await self.expect(422, 'unknown_field', 'POST', f'{path}?a=b', json={})
        for method, wrong in (('GET', path), ('POST', f'{path}s'), ('PUT', f'{PARTNER}keys')):
            await self.expect(404, 'no_such_endpoint', method, wrong)
        self.assertEqual([e['status'] for e in await self.log()], [*(row[0] for row in rows), 422, 404, 404, 404])

    async def test_codes_of_the_state(self):
        async def refused(status, code, **more):
            await self.register(status, code, **more)
        await refused(403, 'token_not_found', token='ptkn_' + '0' * 64)
        await refused(403, 'token_expired', token=await self.issue(valid_for=0))
        await refused(403, 'partner_mismatch', token=await self.issue('other'))
        await refused(400, 'bad_partner_id', partner_id='')
        await refused(400, 'bad_partner_id', partner_id='a' * 65)
        await refused(400, 'bad_token', token='a' * 257)
        issued = await self.tell('token', partner_id='acme')
        await self.tell('token', revoke=issued['token_id'])
        await refused(403, 'token_revoked', token=issued['token'])
        token = await self.issue()
        await self.register(token=token)
        await refused(409, 'token_already_used', token=token)
        body = self.request_of(await self.issue())
        del body['public_ip']
        await self.expect(400, 'missing_ip', 'POST', f'{PARTNER}register', json=body)
        await self.expect(201, None, 'POST', f'{PARTNER}register', json=body, headers={'X-Forwarded-For': '192.0.2.1, 10.0.0.1'})
        for name, code in (('reality_short_id', 'reality_not_configured'), ('turn_secret', 'turn_not_configured'),
                           ('backend_endpoint', 'backend_endpoint_not_configured')):
            before = self.central.settings.values[name]
            await self.tell('state', **{name: ''})
            await refused(500, code)
            await self.tell('state', **{name: before})

    async def test_ten_in_sixty_seconds_by_address(self):
        await self.tell('state', rate_limit=True)
        for _ in range(10):
            await self.register(403, 'token_not_found', token='x')
        await self.register(429, 'rate_limited', token='x')
        await self.register(403, 'token_not_found', token='x', public_ip='198.51.100.8')

    async def test_error_scenarios(self):
        token = await self.issue()
        for code, (status, _) in ERRORS.items():
            with self.subTest(code=code):
                await self.play('register', code)
                await self.register(status, code, token=token)
        await self.play('register')
        await self.register(token=token)

    async def test_timeout_after_commit_then_409(self):
        await self.play('register', 'timeout_after_commit', 'ok')
        token = await self.issue()
        body = self.request_of(token)
        await self.unanswered('POST', f'{PARTNER}register', json=body)
        await self.register(409, 'token_already_used', token=token)
        self.assertNotIn('service_token', await self.register())    # the lost reply had it

    async def test_spoiled_replies(self):
        whole = await self.register()
        rows = [('blank_encryption', lambda b: b['reality_encryption'] == ''),
                ('blank_turn_secret', lambda b: b['turn_secret'] == ''),
                ('newline_value', lambda b: '\n' in b['turn_secret']),
                ('newline_value:node_id', lambda b: '\n' in b['node_id']),
                ('shell_value', lambda b: '$(id)' in b['turn_secret']), ('no_awg', lambda b: 'awg' not in b),
                ('no_service_token', lambda b: 'service_token' not in b),
                ('empty_roster', lambda b: b['peer_roster'] == [] and 'cross_probe_token' not in b),
                *((f'missing_{name}', lambda b, name=name: name not in b) for name in whole)]
        for i, (play, holds) in enumerate(rows):
            with self.subTest(play=play):
                await self.play('register', play)
                self.assertTrue(holds(await self.register(domain=f'd{i}.acme.test')))

    async def test_other_replies(self):
        await self.play('register', 'ok200')
        await self.register(200)
        await self.play('register', 'not_json')
        body = await self.register(201)
        self.assertIsInstance(body, bytes)


class Keys(CentralCase):
    FIELDS = ('reality_public_key', 'reality_encryption', 'reality_server_names')

    async def keys(self, play=None, **kw):
        if play:
            await self.play('keys', play)
        return await self.expect(200, None, 'GET', f'{PARTNER}keys', **kw)

    async def test_versions_follow_the_content(self):
        first = await self.keys('unchanged')
        self.assertEqual(first, await self.keys())
        self.assertEqual(first['version'], sha256_of([first[name] for name in self.FIELDS]))
        rotated = await self.keys('rotate')
        self.assertEqual(rotated, await self.keys())        # once, although it is the last of the queue
        for name in ('version', 'channels_version', *self.FIELDS[:2]):
            self.assertNotEqual(rotated[name], first[name], name)
        more = await self.keys('new_channels')
        self.assertEqual(more['version'], rotated['version'])
        self.assertNotEqual(more['channels_version'], rotated['channels_version'])
        await self.tell('state', hysteria2_server='203.0.113.9', hysteria2_port='443')
        self.assertNotEqual((await self.keys())['channels_version'], more['channels_version'])

    async def test_missing(self):
        for play, name in (('missing_version', 'version'), ('missing_sfu_key', 'sfu_signing_public_key'),
                           ('missing_channels_version', 'channels_version')):
            self.assertNotIn(name, await self.keys(play))

    async def test_forms_of_the_sfu_key(self):
        pem = KEYS['sfu_signing_public_key']
        body = ''.join(pem.splitlines()[1:-1])
        raw = base64.b64encode(base64.b64decode(body)[-32:]).decode()
        for play, want in (('key_pem', pem), ('key_escaped', pem.replace('\n', '\\n')), ('key_der', body), ('key_raw', raw),
                           ('key_garbage', 'this is no key')):
            self.assertEqual((await self.keys(play))['sfu_signing_public_key'], want, play)
        self.assertEqual((len(body), len(raw)), (60, 44))

    async def test_failures(self):
        await self.play('keys', 'error500')
        await self.expect(500, 'internal_error', 'GET', f'{PARTNER}keys')
        await self.play('keys', 'slow:30s', 'hang')
        for _ in range(2):
            await self.unanswered('GET', f'{PARTNER}keys')
        await self.play('keys', 'slow:10ms')
        await self.keys()

    async def test_nobody_shows_a_token_here(self):
        await self.expect(400, 'unexpected_authorization', 'GET', f'{PARTNER}keys', token='stkn_x')
        await self.expect(422, 'unknown_field', 'GET', f'{PARTNER}keys?node_id=x')

    async def test_heartbeat(self):
        node = await self.node()
        path = f'{PARTNER}heartbeat'
        await self.expect(200, None, 'POST', path, json={'node_id': node['node_id']})
        self.assertIsNotNone(self.central.tables.nodes[node['node_id']].last_seen_at)
        await self.expect(404, 'node_not_found', 'POST', path, json={'node_id': 'acme-0'})
        await self.expect(422, 'missing_field', 'POST', path, json={})
        await self.expect(422, 'unknown_field', 'POST', path, json={'node_id': node['node_id'], 'at': AT})
        await self.expect(422, 'bad_field', 'POST', path, json={'node_id': 7})
        await self.expect(400, 'unexpected_authorization', 'POST', path, token='stkn_x', json={'node_id': node['node_id']})


class ChannelHealth(CentralCase):
    PATH = f'{PARTNER}channel-health'

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.one, self.two = await self.node(), await self.node('call2.acme.test')
        self.own = {'node_id': self.one['node_id'], 'channel_name': 'ch1', 'channel_probed_at': AT, 'channel_rtt_ms': 12,
                    'channel_handshake_ok': True, 'installer_version': 'v1'}
        self.peer = {'prober_node_id': self.one['node_id'], 'target_node_id': self.two['node_id'], 'channel_name': 'coturn-tls',
                     'handshake_ok': True, 'rtt_ms': 40, 'probe_mode': 'peer', 'probed_at': AT}
        self.service, self.prober = self.one['service_token'], self.one['cross_probe_token']

    async def post(self, status, code, body, token=None):
        return await self.expect(status, code, 'POST', self.PATH, token, json=body)

    async def test_own_report(self):
        await self.post(200, None, self.own, self.service)
        least = {name: self.own[name] for name in ('node_id', 'channel_name', 'channel_probed_at')}
        await self.post(200, None, {**least, 'channel_name': 'coturn', 'channel_probe_mode': 'error',
                                   'channel_probe_reason': 'auth-486', 'coturn_skip_consecutive': 3}, self.service)
        node = self.central.tables.nodes[self.one['node_id']]
        self.assertEqual((node.channels['ch1'], sorted(node.channels)), (self.own, ['ch1', 'coturn']))
        self.assertEqual(node.installer_version, 'v1')      # kept when a report does not tell

    async def test_peer_report(self):
        await self.post(200, None, self.peer, self.prober)
        await self.post(200, None, {**self.peer, 'handshake_ok': False}, self.prober)
        reports = self.central.tables.nodes[self.two['node_id']].peer_reports
        self.assertEqual([r['handshake_ok'] for r in reports], [False])

    async def test_bearers(self):
        for token, code in ((None, 'missing_bearer'), ('stkn_' + 'x' * 43, 'unknown_bearer'), ('ptkn_x', 'unknown_bearer'),
                            (self.service[5:], 'unknown_bearer'), ('xprb_' + 'x' * 64, 'unknown_bearer')):
            await self.post(401, code, self.own, token)
        await self.post(422, 'wrong_body_kind', self.own, self.prober)
        await self.post(422, 'wrong_body_kind', self.peer, self.service)
        await self.post(403, 'wrong_node', self.own, self.two['service_token'])
        await self.post(403, 'wrong_node', self.peer, self.two['cross_probe_token'])
        await self.post(404, 'target_not_found', {**self.peer, 'target_node_id': self.one['node_id']}, self.prober)
        self.central.tables.now = lambda: 10 ** 10
        await self.post(401, 'unknown_bearer', self.peer, self.prober)

    async def test_fields(self):
        for changes in ({'channel_name': 'ch5'}, {'channel_name': 'ch1-acme'}, {'channel_name': ['ch1']}, {'channel_rtt_ms': 1.5},
                        {'channel_rtt_ms': -1}, {'channel_rtt_ms': True}, {'channel_rtt_ms': None}, {'channel_handshake_ok': 1},
                        {'channel_probed_at': '2026-01-31T12:00:00'}, {'channel_probed_at': '2026-01-31T12:00:00.5Z'},
                        {'channel_probed_at': '2026-13-31T12:00:00Z'}, {'channel_probed_at': 7}, {'channel_probe_mode': 'stun'},
                        {'channel_probe_reason': 'timeout'}, {'coturn_skip_consecutive': 0}, {'installer_version': ''}):
            with self.subTest(changes=changes):
                got = await self.post(422, 'bad_field', {**self.own, **changes}, self.service)
                self.assertTrue(got['error'].startswith(next(iter(changes))), got)
        for changes in ({'channel_name': 'coturn'}, {'rtt_ms': '4'}, {'handshake_ok': 'true'}, {'probe_mode': 'self'},
                        {'probed_at': AT[:-1]}):
            await self.post(422, 'bad_field', {**self.peer, **changes}, self.prober)
        await self.post(422, 'unknown_field', {**self.own, 'rtt_ms': 1}, self.service)
        for name in self.peer:
            if name != 'prober_node_id':
                body = {k: v for k, v in self.peer.items() if k != name}
                await self.post(422, 'missing_field', body, self.prober)

    async def test_scenarios(self):
        await self.play('channel-health', '200', '401', '403', '408', '429:7', '429', '500')
        got = [await self.ask('POST', self.PATH, self.service, json=self.own) for _ in range(8)]
        self.assertEqual([r[0] for r in got], [200, 401, 403, 408, 429, 429, 500, 500])
        self.assertEqual([r[1].get('Retry-After') for r in got], [None, None, None, '30', '7', '30', None, None])
        await self.play('channel-health', 'hang')
        await self.unanswered('POST', self.PATH, self.service, json=self.own)
        # A scenario hides no mistake, and waits for a request that is right.
        await self.play('channel-health', '500')
        await self.post(422, 'missing_field', {}, self.service)


class Fetched(CentralCase):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.reply = await self.register()
        self.token = self.reply['service_token']

    async def get(self, name, status=200, code=None, play=None, **kw):
        if play:
            await self.play(name, play)
        return await self.expect(status, code, 'GET', PARTNER + name, kw.pop('token', self.token), **kw)

    async def test_node_config(self):
        want = {k: v for k, v in self.reply.items() if k != 'service_token'}
        want.update(partner_id='acme', domain='call.acme.test')
        self.assertEqual(await self.get('node-config', play='valid'), want)
        self.assertNotIn('node_id', await self.get('node-config', play='no_node_id'))
        self.assertIsInstance(await self.get('node-config', play='truncated'), bytes)
        got = await self.get('node-config', play='changed:{"turn_secret":null,"awg":{"jc":9},"new":[1]}')
        self.assertEqual((got.get('turn_secret'), got['awg']['jc'], got['awg']['jmin'], got['new']), (None, 9, 50, [1]))

    async def test_node_config_follows_the_state(self):
        roster = [{'node_id': 'p', 'turns_host': 'api-x.peer.example', 'turns_port': 443}]
        await self.tell('state', turn_secret='new', public_ip='192.0.2.9', motherly_awg_ip='10.8.0.1', peer_roster=roster,
                        reality_server_names=['a.example'], reality_public_key='C' * 43, hysteria2_server='',
                        naive_server='n.example', naive_port='8443', relay_jwt_secret='r', extra={'later': True})
        await self.play('node-config')
        got = await self.get('node-config')
        self.assertEqual([got[name] for name in ('turn_secret', 'public_ip', 'peer_roster', 'reality_server_names',
                                                 'reality_public_key', 'naive_port', 'relay_jwt_secret', 'later')],
                         ['new', '192.0.2.9', roster, ['a.example'], 'C' * 43, '8443', 'r', True])
        self.assertEqual((got['awg']['motherly_awg_ip'], got['awg']['allocated_ip']), ('10.8.0.1', '10.8.0.7/32'))
        self.assertEqual([(c['id'], c['port']) for c in got['channels']], [('ch1', 5349), ('ch5', 8443)])
        self.assertEqual(got['channels'][0]['xray']['server_names'], ['a.example'])
        self.assertNotIn('hysteria2_server', got)
        await self.tell('state', public_ip=None, reality_server_names=None, channels=[])
        got = await self.get('node-config')
        self.assertEqual((got['channels'], {'public_ip', 'reality_server_names'} & set(got)), ([], set()))

    async def test_who_asks(self):
        for name in ('node-config', 'cross-probe-token', 'hy2-credentials'):
            await self.get(name, 401, 'missing_bearer', token=None)
            await self.get(name, 401, 'unknown_bearer', token='stkn_no')
            await self.get(name, 401, 'unknown_bearer', token=(await self.node())['cross_probe_token'])
            await self.get(name, 403, 'wrong_node', headers={'X-Node-Id': 'other-1'})
            for node_id in ('acme', self.reply['node_id']):
                await self.get(name, headers={'X-Node-Id': node_id})
            await self.get(name, 401, 'scripted_401', play='401')

    async def test_cross_probe_token(self):
        self.assertRegex((await self.get('cross-probe-token'))['cross_probe_token'], r'\Axprb_')
        self.assertEqual(await self.get('cross-probe-token', play='empty'), {'cross_probe_token': ''})
        self.assertIsNone(await self.get('cross-probe-token', play='empty_body'))
        self.assertRegex((await self.get('cross-probe-token', play='wrong_prefix'))['cross_probe_token'], r'\Astkn_')
        await self.play('cross-probe-token', '503x2')
        got = [await self.status_of('GET', f'{PARTNER}cross-probe-token', self.token) for _ in range(4)]
        self.assertEqual(got, [503, 503, 200, 200])

    async def test_hy2_credentials(self):
        both = await self.get('hy2-credentials', play='both')
        self.assertTrue(both['auth_pass'] and both['obfs_pass'])
        self.assertEqual(await self.get('hy2-credentials', play='one_empty'), {**both, 'obfs_pass': ''})
        self.assertEqual(await self.get('hy2-credentials', play='one_empty:auth_pass'), {**both, 'auth_pass': ''})
        await self.tell('state', hy2_auth_pass='x')
        self.assertEqual((await self.get('hy2-credentials', play='ok'))['auth_pass'], 'x')


class Awg(CentralCase):
    LATEST = f'{PARTNER}awg-params/latest?component=awg&schema=2'
    APPLIED = f'{PARTNER}awg-params/applied'

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.node_row = await self.node()
        self.token = self.node_row['service_token']
        self.row = self.central.tables.nodes[self.node_row['node_id']]

    async def latest(self, play='ok', status=200, code=None, path=LATEST):
        await self.play('awg-params-latest', play)
        return await self.expect(status, code, 'GET', path, self.token)

    async def test_epochs(self):
        published = await self.latest()
        self.assertEqual((published['epoch'], published['params']['S4']), (1, 18))
        self.assertEqual(await self.latest('equal'), published)
        self.assertEqual((await self.latest('older'))['epoch'], 0)
        newer = await self.latest('newer')
        self.assertEqual(newer['epoch'], 2)
        self.assertNotEqual(newer['params'], published['params'])
        self.assertEqual(await self.latest(), newer)
        await self.tell('state', awg_epoch=7, awg_params={**published['params'], 'S1': 15})
        self.assertEqual((await self.latest())['epoch'], 7)
        self.assertEqual((await self.register(domain='d.acme.test'))['awg']['s1'], 15)      # the same values at register

    async def test_hostile_and_odd_params(self):
        base = (await self.latest())['params']
        for play, changes in CHANGED.items():
            with self.subTest(play=play):
                got = await self.latest(play)
                self.assertEqual(got, {'epoch': 2, 'params': {**base, **changes}})
        self.assertIn('[Peer]', PEER_BLOCK)
        self.assertNotIn('S1', (await self.latest('missing_S1'))['params'])
        self.assertEqual((await self.latest())['epoch'], 1)

    async def test_statuses(self):
        self.assertIsNone(await self.latest('204', 204))
        await self.latest('403', 403, 'scripted_403')
        await self.expect(401, 'missing_bearer', 'GET', self.LATEST)

    async def test_schema_is_recorded_and_schema_1_is_spared(self):
        one = self.LATEST.replace('&schema=2', '')
        await self.latest(path=one)
        self.assertEqual(self.row.awg_schema, 1)
        await self.latest()
        self.assertEqual(self.row.awg_schema, 2)
        await self.tell('state', awg_params={**self.central.settings.awg_params, 'S3': 14})
        await self.latest(status=204, path=one)
        self.assertEqual((await self.latest())['params']['S3'], 14)
        for query, code in (('schema=2', 'missing_field'), ('component=wg', 'bad_field'), ('component=awg&schema=3', 'bad_field'),
                            ('component=awg&node_id=x', 'unknown_field'), ('component=awg&component=awg', 'unknown_field')):
            await self.latest(status=422, code=code, path=f'{PARTNER}awg-params/latest?{query}')

    async def test_applied(self):
        async def post(status, code, **body):
            await self.expect(status, code, 'POST', self.APPLIED, self.token, json=body)
        await post(404, 'epoch_not_found', component='awg', epoch=2)
        await self.latest('h_range')
        await post(200, None, component='awg', epoch=2)
        self.assertEqual(self.row.awg_applied_epoch, 2)
        await post(422, 'unknown_field', component='awg', epoch=2, node_id='x')
        await post(422, 'missing_field', component='awg')
        await post(422, 'bad_field', component='awg', epoch='2')
        for play, code in (('200', None), ('404', 'scripted_404'), ('422', 'scripted_422')):
            await self.play('awg-params-applied', play)
            await post(int(play), code, component='awg', epoch=2)


class Everything(CentralCase):
    """Scenarios of all endpoints at once, and those that every endpoint has."""

    async def test_down(self):
        node = await self.node()
        for endpoint in ('all', 'heartbeat'):
            await self.play(endpoint, 'down')
            self.assertEqual(await self.status_of('POST', f'{PARTNER}heartbeat', json={'node_id': node['node_id']}), NO_ANSWER)
            await self.play(endpoint)
        await self.play('all', 'down')
        self.assertEqual(await self.status_of('GET', '/'), NO_ANSWER)
        self.assertEqual((await self.log())[-1]['plays'], ['down'])

    async def test_slow(self):
        for endpoint, late, soon in (('all', 'slow:30000', 'slow:1'), ('health', 'slow:30', 'slow:1ms'), ('health', 'hang', 'ok')):
            await self.play(endpoint, late, soon)
            await self.unanswered('GET', '/api/health')
            self.assertEqual(await self.status_of('GET', '/api/health'), 200)

    async def test_lying(self):
        _, _, real = await self.ask('GET', f'{PARTNER}keys')
        for endpoint in ('keys', 'all'):
            await self.play(endpoint, *(f'lying:{kind}' for kind in ('content_type', 'html', 'truncated', 'huge', 'wrong_types')))
            got = [await self.ask('GET', f'{PARTNER}keys') for _ in range(5)]
            await self.play(endpoint)
            self.assertEqual([r[0] for r in got], [200] * 5)
            self.assertEqual([r[1]['Content-Type'].partition(';')[0] for r in got],
                             ['text/html', 'text/html', *['application/json'] * 3])
            self.assertEqual(got[0][2], real)
            self.assertIn(b'<html>', got[1][2])
            self.assertIsInstance(got[2][2], bytes)
            self.assertGreater(len(got[3][2]['node_id']), 10 ** 7)
            self.assertEqual((got[4][2]['version'], got[4][2]['reality_server_names']['0']), (7, 'www.example.com'))
        await self.play('all', 'lying')
        kinds = [(await self.ask('GET', f'{PARTNER}keys'))[1]['Content-Type'].partition(';')[0] for _ in range(5)]
        self.assertEqual(kinds, ['text/html', 'text/html', *['application/json'] * 3])

    async def test_a_misspelt_scenario_is_an_error(self):
        for endpoint, play, word in (('registre', 'ok', 'endpoint'), ('keys', 'rotated', 'play'), ('keys', 7, 'play'),
                                     ('node-config', 'changed:{"a"', 'play'), ('node-config', 'changed:{"a"}', 'play'),
                                     ('all', 'rotate', 'play'), ('keys', '200x', 'play'), ('keys', '304', 'play')):
            got = await self.tell('script', 400, endpoint=endpoint, play=[play])
            self.assertTrue(got['error'].startswith(f'{word}: '), got)
        await self.tell('script', 400, endpoint='keys', play='ok')
        await self.tell('script', 400, endpoint='keys', plays=[])

    async def test_control_is_not_public(self):
        for path in ('/__log', '/__state', '/__script'):
            self.assertEqual(await self.status_of('GET', path), 404)
            self.assertEqual(await self.status_of('POST', path), 405)

    async def test_every_declared_scenario_is_in_this_file(self):
        """A scenario that nobody asserted could be one that does nothing."""
        text = Path(__file__).read_text()
        quoted = set(re.findall(r"'([^'\n]+)'", text)) | set(CHANGED) | set(ERRORS)
        async with self.control.get('/__script') as r:
            for endpoint, known in (await r.json()).items():
                for pattern in known['plays']:
                    self.assertTrue(any(re.fullmatch(pattern, q) for q in quoted), (endpoint, pattern))


class Log(CentralCase):
    async def test_entries(self):
        node = await self.node()
        body = {'node_id': node['node_id'], 'channel_name': 'ch2', 'channel_probed_at': AT}
        await self.ask('POST', f'{PARTNER}channel-health?a=1', node['service_token'], json=body, headers={'X-Node-Id': 'me'})
        await self.ask('GET', '/nothing', headers={'Authorization': 'Basic Zm9v'})
        await self.ask('POST', f'{PARTNER}heartbeat', data=b'\xff[', headers={'Content-Type': 'application/json'})
        first, second, third = await self.log()
        self.assertEqual([first[k] for k in ('n', 'endpoint', 'method', 'path', 'query', 'status', 'code', 'tls', 'body')],
                         [1, 'channel-health', 'POST', f'{PARTNER}channel-health', {'a': '1'}, 422, 'unknown_field', False, body])
        self.assertEqual(first['headers']['authorization'], {
            'scheme': 'Bearer', 'kind': 'stkn', 'sha256': hashlib.sha256(node['service_token'].encode()).hexdigest()})
        self.assertNotIn(node['service_token'], json.dumps(first))
        self.assertEqual((first['headers']['x-node-id'], first['headers']['content-type']), ('me', 'application/json'))
        self.assertEqual((second['endpoint'], second['status'], second['headers']['authorization']['kind']), ('page', 404, 'other'))
        self.assertEqual((third['body'], third['text'], third['code']), (None, '\ufffd[', 'bad_json'))
        self.assertEqual([e['n'] for e in await self.log(after=1)], [2, 3])
        self.assertEqual([e['n'] for e in await self.log(endpoint='heartbeat')], [3])

    async def test_waiting(self):
        late = asyncio.ensure_future(self.log(wait=20, count=2, endpoint='health'))
        await self.ask('GET', '/api/branding')
        for _ in range(2):
            await self.ask('GET', '/api/health')
        self.assertEqual([e['n'] for e in await late], [2, 3])
        self.assertEqual(await self.log(wait=1, after=3), [])

    async def test_reset_forgets_and_counts_on(self):
        await self.play('health', '500')
        await self.ask('GET', '/api/health')
        self.assertEqual(await self.tell('reset'), {'last': 1})
        self.assertEqual((await self.log(), await self.status_of('GET', '/api/health')), ([], 200))
        self.assertEqual([e['n'] for e in await self.log()], [2])

    async def test_a_request_left_hanging_is_there(self):
        await self.play('health', 'hang')
        hanging = asyncio.ensure_future(self.ask('GET', '/api/health'))
        entry, = await self.log(wait=20)
        self.assertEqual((entry['endpoint'], entry['status']), ('health', None))
        hanging.cancel()


class People(CentralCase):
    """What stands in for partner-cli."""

    async def test_token(self):
        got = await self.tell('token', partner_id='acme', valid_for='2w 1d')
        self.assertRegex(got['token'], r'\Aptkn_[0-9a-f]{64}\Z')
        self.assertEqual(got['token_hash'], hashlib.sha256(got['token'].encode()).hexdigest())
        self.assertEqual(round(got['expires_at'] - self.central.tables.now()), 15 * 86400)
        for body in ({}, {'partner_id': 'A'}, {'partner_id': 'acme', 'valid_for': 'long'}, {'revoke': 'x'},
                     {'partner_id': 'acme', 'valid_for': '3y'}):
            await self.tell('token', 400, **body)

    async def test_node(self):
        got = await self.node(installer_version='v9')
        self.assertEqual(self.central.tables.nodes[got['node_id']].installer_version, 'v9')
        again = await self.tell('node', node_id=got['node_id'], rotate=True)
        self.assertNotEqual(again['service_token'], got['service_token'])
        await self.expect(401, 'unknown_bearer', 'GET', f'{PARTNER}node-config', got['service_token'])
        await self.expect(200, None, 'GET', f'{PARTNER}node-config', again['service_token'])
        await self.tell('node', deactivate=got['node_id'])
        await self.expect(401, 'unknown_bearer', 'GET', f'{PARTNER}node-config', again['service_token'])
        for body in ({'node_id': 'x'}, {'deactivate': 'x'}, {'partner_id': 'acme', 'domain': 'd', 'colour': 1}):
            await self.tell('node', 400, **body)

    async def test_state(self):
        before = await self.tell('state')
        after = await self.tell('state', rotate_reality=True, change_channels=True, config_version=2)
        self.assertNotEqual(after['versions'], before['versions'])
        self.assertEqual(after['settings']['config_version'], 2)
        for body, word in (({'colour': 1}, 'colour'), ({'turn_secret': 7}, 'turn_secret'),
                           ({'config_version': True}, 'config_version'), ({'awg_params': {'Jd': 1}}, 'awg_params'),
                           ({'motherly_awg_ip': 'x'}, 'motherly_awg_ip'),
                           ({'turn_secret': None}, 'turn_secret')):
            got = await self.tell('state', 400, **body)
            self.assertTrue(got['error'].startswith(f'{word}: '), got)


class Passed(CentralCase):
    """What visitors of an edge reach through it."""

    async def test_health(self):
        for path in ('/api/health', '/api/health/live'):
            status, headers, body = await self.ask('GET', path)
            self.assertEqual((status, body, headers['X-Frame-Options']), (200, b'ok', 'DENY'))
            self.assertIn("frame-ancestors 'none'", headers['Content-Security-Policy'])

    async def test_branding_by_host(self):
        await self.register(branding={'display_name': 'Acme', 'partner_id': 'forged'})
        await self.node('second.acme.test')
        rows = [({'X-Forwarded-Host': 'Call.Acme.test:8443', 'Host': 'x.test'}, 'acme'), ({'Host': 'call.acme.test'}, 'acme'),
                ({'X-Forwarded-Host': 'x.test', 'Host': 'call.acme.test'}, 'demo'), ({'Host': 'x.test'}, 'demo')]
        for headers, partner in rows:
            _, _, body = await self.ask('GET', '/api/branding', headers=headers)
            self.assertEqual(body['partner_id'], partner, headers)
        _, _, body = await self.ask('GET', '/api/branding', headers={'Host': 'call.acme.test'})
        self.assertEqual((body['display_name'], body['domains']), ('Acme', ['call.acme.test', 'second.acme.test']))

    async def test_domains(self):
        await self.node('one.acme.test')
        await self.node('two.acme.test')
        await self.tell('node', partner_id='other', domain='Other.test')
        _, _, body = await self.ask('GET', '/api/domains', headers={'Host': 'two.acme.test:443'})
        self.assertEqual(body, {'primary': 'two.acme.test', 'mirrors': ['one.acme.test', 'other.test', 'oxpulse.example'],
                                'config_version': 1})
        _, _, body = await self.ask('GET', '/api/domains', headers={'Host': '127.0.0.1'})
        self.assertEqual(body['primary'], 'oxpulse.example')

    async def test_events_are_limited(self):
        got = [await self.status_of('POST', '/api/event', json={'name': 'x'}) for _ in range(61)]
        self.assertEqual((set(got[:60]), got[60]), ({204}, 429))

    async def test_secrets_of_the_state_are_in_use(self):
        await self.tell('state', turn_secret='north', signaling_sfu_secret='south')
        self.assertEqual(await self.status_of('POST', '/api/turn-credentials'), 200)
        _, _, body = await self.ask('GET', '/api/demo/token', params={'room': 'r'})
        signed, _, mac = body['token'].rpartition('.')
        want = base64.urlsafe_b64encode(hmac.new(b'south', signed.encode(), 'sha256').digest()).rstrip(b'=')
        self.assertEqual(mac.encode(), want)
        await self.tell('state', turn_secret='')
        self.assertEqual(await self.status_of('POST', '/api/turn-credentials'), 503)

    async def test_signalling(self):
        async with self.client.ws_connect('/ws/call/room-1') as one:
            await one.send_str('alone')
            self.assertEqual((await one.receive(5)).data, 'alone')
            async with self.client.ws_connect('/ws/call/room-1') as two, self.client.ws_connect('/ws/call/other') as third:
                await one.send_str('to two')
                await two.send_bytes(b'to one')
                self.assertEqual(((await two.receive(5)).data, (await one.receive(5)).data), ('to two', b'to one'))
                await self.expect(409, 'room_full', 'GET', '/ws/call/room-1')
                await third.send_str('x' * 65537)
                self.assertEqual((await third.receive(5)).data, 1009)
            await one.send_str('alone again')
            self.assertEqual((await one.receive(5)).data, 'alone again')
        self.assertEqual(await self.status_of('GET', '/ws/call/' + 'r' * 65), 400)
        self.assertEqual(await self.status_of('GET', '/ws/call/plain'), 400)


class Program(unittest.TestCase):
    def run_central(self, *args):
        return subprocess.Popen([sys.executable, str(HERE / 'central.py'), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def test_listeners(self):
        with tempfile.TemporaryDirectory() as d:
            ca = Ca(d)
            certificate, key = ca.issue('api', ['api.example.test', '127.0.0.1'])
            Path(d, 'sfu').write_text('s' * 32 + '\n')
            Path(d, 'turn').write_text('t' * 32 + '\n')
            Path(d, 'state').write_text('{"public_ip": "192.0.2.1"}')
            any_port = '127.0.0.1:0'
            p = self.run_central('--listen', any_port, '--tls-listen', any_port, '--control', any_port,
                                 '--certificate', certificate, '--key', key, '--secret-file', f'{d}/sfu',
                                 '--turn-secret-file', f'{d}/turn', '--turn', '192.0.2.7:3478', '--state', f'{d}/state')
            try:
                lines = [p.stdout.readline().split() for _ in range(3)]
                self.assertEqual([line[:2] for line in lines],
                                 [['listening', 'plain'], ['listening', 'tls'], ['listening', 'control']])
                plain, tls, control = (line[2] for line in lines)
                self.assertEqual(self.curl(f'http://{plain}/api/health'), 'ok')
                self.assertEqual(self.curl('--cacert', str(ca.pem), f'https://{tls}/api/health'), 'ok')
                self.assertEqual(self.curl(f'https://{tls}/api/health'), '')
                log = json.loads(self.curl(f'http://{control}/__log'))['entries']
                self.assertEqual([e['tls'] for e in log], [False, True])
                settings = json.loads(self.curl(f'http://{control}/__state'))['settings']
                self.assertEqual([settings[k] for k in ('turn_secret', 'signaling_sfu_secret', 'public_ip')],
                                 ['t' * 32, 's' * 32, '192.0.2.1'])
                servers = json.loads(self.curl('-XPOST', f'http://{plain}/api/turn-credentials'))['ice_servers']
                self.assertEqual(servers[0], {'urls': ['stun:192.0.2.7:3478']})
                # It ends at once although somebody waits for an answer.
                self.curl('-d', '{"endpoint":"health","play":["hang"]}', f'http://{control}/__script')
                waiting = subprocess.Popen(['curl', '-s', f'http://{plain}/api/health'], stdout=subprocess.DEVNULL)
                self.curl(f'http://{control}/__log?after=3&wait=20')
            finally:
                p.send_signal(signal.SIGTERM)
                _, err = p.communicate(timeout=20)
            waiting.wait(20)
        self.assertEqual((p.returncode, err), (0, ''))

    @staticmethod
    def curl(*args) -> str:
        env = {**os.environ, 'no_proxy': '*'}
        return subprocess.run(['curl', '-s', '--max-time', '30', *args], capture_output=True, text=True, env=env).stdout

    def test_bad_arguments_say_which(self):
        rows = [((), 2, '--listen or --tls-listen'), (('--tls-listen', '127.0.0.1:0'), 2, '--certificate and --key'),
                (('--listen', '127.0.0.1:0', '--state', '/dev/null'), 1, 'central.py: '),
                (('--listen', '127.0.0.1:0', '--secret-file', '/nonexistent/s'), 1, '/nonexistent/s')]
        for args, code, words in rows:
            with self.subTest(args=args):
                p = self.run_central(*args)
                _, err = p.communicate(timeout=20)
                self.assertEqual(p.returncode, code, err)
                self.assertIn(words, err)


class Authority(unittest.TestCase):
    def test_certificates(self):
        with tempfile.TemporaryDirectory() as d:
            made = subprocess.run([sys.executable, HERE / 'ca.py', d, '--issue', 'one', 'a.test,127.0.0.1,::1'],
                                  capture_output=True, text=True, check=True).stdout.split()
            self.assertEqual([Path(f).name for f in made], ['one.pem', 'one.key'])
            self.assertEqual(Path(made[1]).stat().st_mode & 0o777, 0o600)
            ca = Ca(d)                  # the same one
            expired, _ = ca.issue_expired('old', ['a.test'])
            for certificate, options, words in ((made[0], ['-verify_hostname', 'a.test'], 'OK'),
                                                (made[0], ['-verify_ip', '::1'], 'OK'),
                                                (made[0], ['-verify_hostname', 'b.test'], 'hostname mismatch'),
                                                (expired, [], 'certificate has expired')):
                got = subprocess.run(['openssl', 'verify', '-CAfile', ca.pem, *options, certificate],
                                     capture_output=True, text=True)
                self.assertIn(words, got.stdout + got.stderr)
            ssl.create_default_context(cafile=ca.pem)
            self.assertRaises(OSError, ca.issue, 'bad', ['not a name,IP:x'])


if __name__ == '__main__':
    unittest.main()
