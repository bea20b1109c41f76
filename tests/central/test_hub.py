# SPDX-License-Identifier: AGPL-3.0-only
"""Tests of the embedded hub, over a real server on the loopback address. Run: /usr/bin/python3 -m unittest test_hub"""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

import hub as hub_module  # noqa: E402
from demo import NAME_MAX, SUB_MAX  # noqa: E402
from room_token import TokenMint, read_secret  # noqa: E402
from roster import Roster  # noqa: E402
from turn_credentials import Limiter, TurnCredentials, urls_of  # noqa: E402

SECRET = b'a secret of exactly thirty-two b'


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def opened(token: str, secret: bytes = SECRET) -> dict:
    """The token's claims, after checking its head and signature."""
    head, claims, mac = token.split('.')
    assert json.loads(unb64(head)) == {'alg': 'HS256', 'typ': 'JWT'}
    assert unb64(mac) == hmac.new(secret, f'{head}.{claims}'.encode(), hashlib.sha256).digest()
    return json.loads(unb64(claims))


class HubCase(unittest.IsolatedAsyncioTestCase):
    turn = None

    async def asyncSetUp(self):
        self.hub = hub_module.Hub(SECRET, token_ttl=600, turn=self.turn)
        self.client = TestClient(TestServer(self.hub.app(), host='127.0.0.1'))
        await self.client.start_server()

    async def asyncTearDown(self):
        await self.client.close()

    async def get(self, path, status=200, **params):
        async with self.client.get(path, params={k: str(v) for k, v in params.items()}) as r:
            self.assertEqual(r.status, status, await r.text())
            return await r.json()


class Token(HubCase):
    async def test_claims(self):
        got = await self.get('/api/demo/token', room='demo', sub=7, name='Ann')
        self.assertEqual((got['ws'], got['sub']), ('/sfu/ws/demo', 7))
        claims = opened(got['token'])
        self.assertEqual(set(claims), {'sub', 'room', 'iat', 'exp'})
        self.assertEqual((claims['sub'], claims['room']), (7, 'demo'))
        self.assertIs(type(claims['sub']), int)
        self.assertEqual(claims['exp'] - claims['iat'], 600)

    async def test_token_is_a_legal_subprotocol(self):
        got = await self.get('/api/demo/token', room='A_-9', sub=SUB_MAX)
        self.assertRegex(got['token'], r'\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z')

    async def test_assigned_subs_differ(self):
        subs = [(await self.get('/api/demo/token', room='demo'))['sub'] for _ in range(20)]
        self.assertEqual(len(set(subs)), 20)
        for sub in subs:
            self.assertTrue(1 <= sub <= SUB_MAX)

    async def test_refusals_name_the_field(self):
        rows = [
            ('room', {'sub': 1}),
            ('room', {'room': '', 'sub': 1}),
            ('room', {'room': 'a' * 65, 'sub': 1}),
            ('room', {'room': 'a/b', 'sub': 1}),
            ('room', {'room': 'a\n', 'sub': 1}),
            ('room', {'room': 'é', 'sub': 1}),
            ('sub', {'room': 'a', 'sub': 0}),
            ('sub', {'room': 'a', 'sub': ''}),
            ('sub', {'room': 'a', 'sub': -1}),
            ('sub', {'room': 'a', 'sub': '1.5'}),
            ('sub', {'room': 'a', 'sub': '٣'}),
            ('sub', {'room': 'a', 'sub': SUB_MAX + 1}),
            ('sub', {'room': 'a', 'sub': '9' * 5000}),
            ('name', {'room': 'a', 'sub': 1, 'name': 'x' * (NAME_MAX + 1)}),
            ('name', {'room': 'a', 'sub': 1, 'name': 'a\x00b'}),
            ('name', {'room': 'a', 'sub': 1, 'name': 'a\u202eb'}),
        ]
        for field, params in rows:
            with self.subTest(field=field, params=params):
                got = await self.get('/api/demo/token', status=400, **params)
                self.assertTrue(got['error'].startswith(f'{field}: '), got)

    async def test_limits_are_inside(self):
        for params in ({'room': 'a' * 64, 'sub': 1}, {'room': 'a', 'sub': SUB_MAX, 'name': 'x' * NAME_MAX}):
            await self.get('/api/demo/token', **params)


class Names(HubCase):
    async def test_names_of_a_room(self):
        await self.get('/api/demo/token', room='demo', sub=7, name='  Ann \t Lee ')
        await self.get('/api/demo/token', room='demo', sub=8)
        await self.get('/api/demo/token', room='other', sub=9, name='Bob')
        self.assertEqual(await self.get('/api/demo/names', room='demo'), {'names': {'7': 'Ann Lee'}})
        self.assertEqual(await self.get('/api/demo/names', room='nobody'), {'names': {}})

    async def test_a_new_token_without_a_name_keeps_it(self):
        await self.get('/api/demo/token', room='demo', sub=7, name='Ann')
        await self.get('/api/demo/token', room='demo', sub=7)
        self.assertEqual(await self.get('/api/demo/names', room='demo'), {'names': {'7': 'Ann'}})

    async def test_room_is_checked(self):
        got = await self.get('/api/demo/names', status=400)
        self.assertTrue(got['error'].startswith('room: '))


class RosterBounds(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.roster = Roster(max_rooms=3, max_peers=2, ttl=100, now=lambda: self.now)

    def test_peers_are_bounded_oldest_touch_goes(self):
        self.roster.put('r', 1, 'a')
        self.roster.put('r', 2, 'b')
        self.roster.touch('r', 1)
        self.roster.put('r', 3, 'c')
        self.assertEqual(self.roster.names('r'), {1: 'a', 3: 'c'})

    def test_rooms_are_bounded_oldest_touch_goes(self):
        for room in 'pqr':
            self.roster.put(room, 1, room)
        self.roster.touch('p', 1)
        self.roster.put('s', 1, 's')
        self.assertEqual([room for room in 'pqrs' if self.roster.names(room)], ['p', 'r', 's'])

    def test_expiry(self):
        self.roster.put('r', 1, 'a')
        self.now = 60
        self.roster.put('r', 2, 'b')
        self.now = 101
        self.assertEqual(self.roster.names('r'), {2: 'b'})
        self.now = 1000
        self.assertEqual(self.roster.names('r'), {})
        self.assertEqual(len(self.roster._rooms), 0)

    def test_touch_of_a_stranger_stores_nothing(self):
        self.roster.touch('r', 1)
        self.assertEqual(len(self.roster._rooms), 0)


class Public(HubCase):
    async def test_health_and_branding(self):
        for path in ('/api/health', '/api/health/live'):
            async with self.client.get(path) as r:
                self.assertEqual((r.status, r.content_type, await r.text()), (200, 'text/plain', 'ok'))
        self.assertTrue((await self.get('/api/branding'))['name'])


class TurnCase(HubCase):
    URLS = urls_of('192.0.2.7:3478', 'turns.example.test:443')

    async def ask(self, status=200, **headers):
        async with self.client.post('/api/turn-credentials', headers=headers) as r:
            self.assertEqual(r.status, status, await r.text())
            return r.headers, await r.json()


class Turn(TurnCase):
    async def asyncSetUp(self):
        self.now = 0.0
        self.turn = TurnCredentials(b'north', *self.URLS, Limiter(now=lambda: self.now), now=lambda: 1_700_000_000.9)
        await super().asyncSetUp()

    async def test_reply(self):
        headers, got = await self.ask()
        # echo -n 1700086400:chat-user | openssl dgst -sha1 -hmac north -binary | base64
        credential = 'cuscKumWcH9yg3W1vvdl6eDCiZg='
        user = {'username': '1700086400:chat-user', 'credential': credential}
        self.assertEqual(got, {**user, 'ttl': 86400, 'iceTransportPolicy': 'all', 'ice_servers': [
            {'urls': ['stun:192.0.2.7:3478']},
            {'urls': ['turn:192.0.2.7:3478?transport=udp', 'turn:192.0.2.7:3478?transport=tcp',
                      'turns:turns.example.test:443?transport=tcp'], **user}]})
        self.assertEqual((headers['Cache-Control'], headers['X-Frame-Options']), ('no-store', 'DENY'))
        self.assertIn("frame-ancestors 'none'", headers['Content-Security-Policy'])

    async def test_any_body_does(self):
        async with self.client.post('/api/turn-credentials', data=b'{]') as r:
            self.assertEqual(r.status, 200)

    async def test_thirty_in_sixty_seconds_and_by_client(self):
        client = {'X-Forwarded-For': '203.0.113.7'}
        for _ in range(30):
            await self.ask(**client)
        self.now = 59.5
        headers, got = await self.ask(429, **client)
        self.assertEqual((headers['Retry-After'], got), ('1', {'error': 'Too Many Requests'}))
        await self.ask(**{'X-Forwarded-For': '203.0.113.8'})
        self.now = 60
        await self.ask(**client)


class TurnWithoutUrls(TurnCase):
    async def asyncSetUp(self):
        self.turn = TurnCredentials(b'north', ['stun:192.0.2.7:3478'])
        await super().asyncSetUp()

    async def test_no_turn_entry(self):
        self.assertEqual((await self.ask())[1]['ice_servers'], [{'urls': ['stun:192.0.2.7:3478']}])


class TurnWithoutSecret(TurnCase):
    async def test_503(self):
        self.assertEqual((await self.ask(503))[1], {'error': 'TURN not configured'})


class LimiterBounds(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.limiter = Limiter(limit=2, window=10, max_clients=2, now=lambda: self.now)

    def test_the_window_slides(self):
        waits = []
        for self.now in (0, 6, 7, 9.5, 10, 11, 16):
            waits.append(self.limiter.wait('a'))
        self.assertEqual(waits, [0, 0, 3, 0.5, 0, 5, 0])

    def test_clients_are_bounded_the_silent_goes_first(self):
        for client in 'aabbacaab':
            self.limiter.wait(client)
        self.assertEqual(list(self.limiter._clients), ['a', 'b'])
        self.assertEqual([self.limiter.wait(client) for client in 'ab'], [10, 0])


class Page(HubCase):
    async def reply(self, path, **kw):
        async with self.client.request(kw.pop('method', 'GET'), path, **kw) as r:
            return r, await r.read()

    async def test_every_file_of_the_page(self):
        types = {'.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml'}
        files = [p for p in (HERE / 'page').rglob('*') if p.is_file()]
        self.assertTrue(files)
        for path in files:
            with self.subTest(file=path.name):
                r, body = await self.reply('/' + path.relative_to(HERE / 'page').as_posix())
                self.assertEqual((r.status, r.content_type), (200, types[path.suffix]))
                self.assertEqual(body, path.read_bytes())
                self.assertEqual(r.headers['Cache-Control'], 'no-cache')

    async def test_root_is_the_page(self):
        r, body = await self.reply('/?room=x')
        self.assertEqual((r.status, body), (200, (HERE / 'page' / 'index.html').read_bytes()))

    async def test_unchanged_file_is_not_sent_again(self):
        first, _ = await self.reply('/')
        second, body = await self.reply('/', headers={'If-None-Match': first.headers['ETag']})
        self.assertEqual((second.status, body), (304, b''))
        self.assertEqual(second.headers['ETag'], first.headers['ETag'])

    async def test_nothing_outside_the_page(self):
        for path in ('/hub.py', '/../hub.py', '/%2e%2e/hub.py', '/..%2fhub.py', '/nothing'):
            with self.subTest(path=path):
                r, body = await self.reply(path)
                self.assertEqual(r.status, 404)
                self.assertEqual(json.loads(body), {'error': 'Not Found'})

    async def test_security_headers_on_every_reply(self):
        rows = [('/', 'GET', 200), ('/', 'HEAD', 200), ('/nothing', 'GET', 404), ('/', 'POST', 405),
                ('/api/health', 'GET', 200), ('/api/demo/token', 'GET', 400)]
        for path, method, status in rows:
            with self.subTest(path=path, method=method):
                r, _ = await self.reply(path, method=method)
                self.assertEqual(r.status, status)
                self.assertIn("default-src 'none'", r.headers['Content-Security-Policy'])
                self.assertIn("frame-ancestors 'none'", r.headers['Content-Security-Policy'])
                self.assertEqual(r.headers['X-Content-Type-Options'], 'nosniff')
                self.assertEqual(r.headers['X-Frame-Options'], 'DENY')
                self.assertNotIn('aiohttp', r.headers['Server'])

    async def test_tokens_are_never_stored(self):
        r, _ = await self.reply('/api/demo/token?room=demo')
        self.assertEqual(r.headers['Cache-Control'], 'no-store')

    async def test_the_page_needs_nobody_else(self):
        for path in (HERE / 'page').rglob('*'):
            if path.suffix in ('.html', '.css', '.js'):
                text = path.read_text()
                self.assertIn('SPDX-License-Identifier: AGPL-3.0-only', text[:120], path.name)
                for scheme in ('http://', 'https://'):
                    self.assertNotIn(scheme, text.replace('http://www.w3.org/2000/svg', ''), path.name)


class Secret(unittest.TestCase):
    def test_line_end_is_not_part_of_it(self):
        with tempfile.TemporaryDirectory() as d:
            path = Path(d) / 'secret'
            for text, want in ((b'abc', b'abc'), (b'abc\n', b'abc'), (b' a b \r\n', b' a b ')):
                path.write_bytes(text)
                self.assertEqual(read_secret(path), want)
            path.write_bytes(b'\n')
            self.assertRaises(ValueError, read_secret, path)

    def test_signature_follows_the_secret(self):
        token = TokenMint(b'other', 1, now=lambda: 1.9).mint('r', 1)
        self.assertEqual(opened(token, b'other'), {'sub': 1, 'room': 'r', 'iat': 1, 'exp': 2})
        self.assertRaises(AssertionError, opened, token)


class Program(unittest.TestCase):
    def run_hub(self, *args):
        return subprocess.Popen([sys.executable, str(HERE / 'hub.py'), *args], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def test_port_is_printed_and_answers(self):
        with tempfile.TemporaryDirectory() as d:
            (Path(d) / 's').write_bytes(SECRET)
            p = self.run_hub('--listen', '127.0.0.1:0', '--secret-file', f'{d}/s')
            try:
                line = p.stdout.readline()
                self.assertRegex(line, r'\Alistening 127\.0\.0\.1:[1-9][0-9]*\n\Z')
                self.assertEqual(asyncio.run(self.fetch(line.split()[1])), 'ok')
            finally:
                p.terminate()
                _, err = p.communicate(timeout=20)
        self.assertEqual((p.returncode, err), (0, ''))

    async def fetch(self, where):
        host, port = where.split(':')
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        reply = await reader.read()
        writer.close()
        return reply.partition(b'\r\n\r\n')[2].decode()

    def test_bad_arguments_say_which(self):
        rows = [(('--listen', 'nonsense', '--secret-file', '/dev/null'), 2, 'ADDRESS:PORT'),
                (('--listen', '127.0.0.1:0'), 2, '--secret-file'),
                (('--secret-file', '/dev/null', '--token-ttl', '0'), 2, '--token-ttl'),
                (('--secret-file', '/dev/null', '--turn', '192.0.2.7'), 2, '--turn'),
                (('--secret-file', '/dev/null', '--turn', '192.0.2.7:3478'), 2, '--turn-secret-file'),
                (('--secret-file', __file__, '--turn-secret-file', '/dev/null'), 1, 'secret is empty'),
                (('--secret-file', '/dev/null'), 1, 'secret is empty'),
                (('--secret-file', '/nonexistent/s'), 1, '/nonexistent/s')]
        for args, code, words in rows:
            with self.subTest(args=args):
                p = self.run_hub(*args)
                _, err = p.communicate(timeout=20)
                self.assertEqual(p.returncode, code)
                self.assertIn(words, err)


if __name__ == '__main__':
    unittest.main()
