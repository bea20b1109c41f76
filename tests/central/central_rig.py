# SPDX-License-Identifier: AGPL-3.0-only
"""What the tests of the central system share: one central with its control listener, and a node's way of asking it."""

import asyncio
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from aiohttp import ClientConnectionError  # noqa: E402
from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

import central as central_module  # noqa: E402
from settings import Settings, make_signing_key  # noqa: E402

AWG_KEY = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
REALITY_KEY = 'B' * 43
UUID = '0f4a9c4e-6b0e-4c3f-9d53-2a0c5d1f7e11'
KEYS = dict(zip(('sfu_signing_private_key', 'sfu_signing_public_key'), make_signing_key()))
PARTNER = '/api/partner/'
AT = '2026-01-31T12:00:00Z'
NO_ANSWER = 'no answer'


class CentralCase(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.central = central_module.Central(Settings({**KEYS, 'rate_limit': False}))
        self.client = TestClient(TestServer(self.central.app(), host='127.0.0.1'))
        self.control = TestClient(TestServer(self.central.control_app(), host='127.0.0.1'))
        await self.client.start_server()
        await self.control.start_server()

    async def asyncTearDown(self):
        await self.client.close()
        await self.control.close()

    # --- the control listener ---

    async def tell(self, what: str, status: int = 200, **body):
        async with self.control.post(f'/__{what}', json=body) as r:
            self.assertEqual(r.status, status, await r.text())
            return await r.json()

    async def play(self, endpoint: str, *plays: str):
        return await self.tell('script', endpoint=endpoint, play=list(plays))

    async def log(self, **query) -> list:
        async with self.control.get('/__log', params=query) as r:
            self.assertEqual(r.status, 200)
            return (await r.json())['entries']

    async def issue(self, partner: str = 'acme', **more) -> str:
        return (await self.tell('token', partner_id=partner, **more))['token']

    async def node(self, domain: str = 'call.acme.test', **more) -> dict:
        return await self.tell('node', **{'partner_id': 'acme', 'domain': domain, **more})

    # --- the public listener ---

    async def ask(self, method: str, path: str, token=None, headers=None, **kw):
        """(status, headers, body: JSON where it is some, else bytes), or NO_ANSWER in the place of the status"""
        headers = {**({'Authorization': f'Bearer {token}'} if token else {}), **(headers or {})}
        try:
            async with self.client.request(method, path, headers=headers, **kw) as r:
                data = await r.read()
                try:
                    return r.status, r.headers, await r.json(content_type=None)
                except ValueError:
                    return r.status, r.headers, data
        except ClientConnectionError:
            return NO_ANSWER, {}, None

    async def status_of(self, method: str, path: str, *a, **kw):
        return (await self.ask(method, path, *a, **kw))[0]

    async def unanswered(self, method: str, path: str, *a, **kw) -> None:
        """Asks, and leaves when a scenario has begun and no answer came."""
        last = self.central.log.last
        asked = asyncio.ensure_future(self.ask(method, path, *a, **kw))
        while not asked.done() and not any(entry['plays'] for entry in self.central.log.since(last)):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        self.assertFalse(asked.done(), path)
        asked.cancel()

    async def expect(self, status, code, method: str, path: str, *a, **kw):
        """The reply's body; code: that of an error, or None"""
        got, _, body = await self.ask(method, path, *a, **kw)
        self.assertEqual((got, body.get('code') if isinstance(body, dict) else None), (status, code), body)
        return body

    def request_of(self, token: str, **more) -> dict:
        return {'partner_id': 'acme', 'domain': 'call.acme.test', 'token': token, 'public_ip': '198.51.100.7',
                'awg_pubkey': AWG_KEY, 'reality_public_key': REALITY_KEY, 'reality_uuid': UUID, **more}

    async def register(self, status=201, code=None, headers=None, **more):
        body = self.request_of(more.pop('token', None) or await self.issue(), **more)
        return await self.expect(status, code, 'POST', f'{PARTNER}register', json=body, headers=headers)
