#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""The scripted double of the central system: the hub's parts, the partner API, and a control listener for tests.

--listen is plain HTTP, central as the channels of an edge reach it; --tls-listen is the same as seen from outside. A request's
log entry says which. One line per listener is printed, "listening plain|tls|control ADDRESS:PORT".
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from control import Control
from endpoint import NoEndpoint
from hub import HERE, Hub, listen_address, positive, server_address
from partner_awg import AwgParams
from partner_config import NodeConfig
from partner_health import ChannelHealth
from partner_keys import Keys
from partner_register import Register
from public_api import PublicApi
from replies import BadField
from request_log import RequestLog
from room_token import read_secret
from script import Script
from settings import Settings
from signalling import Signalling
from tables import Tables
from turn_credentials import TurnCredentials, urls_of

# Route names of the hub's own parts, which know nothing of scenarios and get the common ones all the same.
PLAIN_ENDPOINTS = ('health', 'health-live', 'branding', 'domains', 'event', 'turn-credentials', 'signalling', 'page')


class Sites:
    """The partners' names, as the nodes brought them."""

    def __init__(self, settings: Settings, tables: Tables):
        self._settings, self._tables = settings, tables

    @property
    def primary(self) -> str:
        return self._settings.primary_domain

    def branding(self, host: str) -> dict:
        node = self._tables.by_domain(host)
        if node is None:
            return {}
        own = [n.domain for n in self._tables.nodes.values() if n.partner_id == node.partner_id]
        return {'display_name': node.partner_id, **node.branding, 'partner_id': node.partner_id, 'domains': own}

    def domains(self, host: str) -> list:
        node = self._tables.by_domain(host)
        partner = node.partner_id if node else None
        nodes = sorted(self._tables.nodes.values(), key=lambda n: n.partner_id != partner)
        return [n.domain for n in nodes] + [self.primary]


class Central(Hub):
    def __init__(self, settings: Settings, token_ttl: int = 3600, page_dir: Path = HERE / 'page', stun_urls=(), turn_urls=()):
        self.settings, self.tables, self.script, self.log = settings, Tables(), Script(), RequestLog()
        turn = TurnCredentials(b'', stun_urls, turn_urls)
        shared = (settings, self.tables, self.script)
        self.signalling = Signalling()
        partner = [part(*shared) for part in (Register, Keys, ChannelHealth, NodeConfig, AwgParams)]
        super().__init__(b'', token_ttl, page_dir, turn, public=PublicApi(Sites(settings, self.tables)),
                         more=[*partner, self.signalling, NoEndpoint()])
        settings.watch('turn_secret', lambda value: turn.set_secret(value.encode() or None))
        settings.watch('signaling_sfu_secret', lambda value: self.mint.set_secret(value.encode()))
        for name in PLAIN_ENDPOINTS:
            self.script.add(name)

    def middlewares(self) -> list:
        return [*super().middlewares(), self.log.middleware, self.script.middleware]

    def app(self) -> web.Application:
        app = super().app()
        app.on_shutdown.append(self._stop)
        return app

    async def _stop(self, app: web.Application) -> None:
        self.script.stopping.set()
        await self.signalling.close(app)

    def control_app(self) -> web.Application:
        return Control(self.settings, self.tables, self.script, self.log).app()


def arguments(argv=None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog='central.py', description='Scripted double of the central system.')
    for name, words in (('--listen', 'plain HTTP: page, public API and partner API'), ('--tls-listen', 'the same over TLS'),
                        ('--control', 'what tests tell and ask; see README.md')):
        p.add_argument(name, type=listen_address, metavar='ADDRESS:PORT', help=f'{words}; port 0 picks a free one')
    p.add_argument('--certificate', type=Path, metavar='FILE', help="the TLS listener's chain, PEM")
    p.add_argument('--key', type=Path, metavar='FILE', help='and its key')
    p.add_argument('--secret-file', type=Path, metavar='FILE', help="the SFU's SIGNALING_SFU_SECRET (default: made up)")
    p.add_argument('--token-ttl', type=positive, default=3600, metavar='SECONDS', help='how long a room token is good')
    p.add_argument('--turn-secret-file', type=Path, metavar='FILE', help='its first line is the TURN secret (default: made up)')
    p.add_argument('--turn', type=server_address, metavar='HOST:PORT', help='a TURN server, over UDP and TCP; also for STUN')
    p.add_argument('--turns', type=server_address, metavar='HOST:PORT', help='a TURN server over TLS')
    p.add_argument('--state', type=Path, metavar='FILE', help='settings to begin with, an object in JSON')
    args = p.parse_args(argv)
    if not (args.listen or args.tls_listen):
        p.error('--listen or --tls-listen is needed')
    if args.tls_listen and not (args.certificate and args.key):
        p.error('--tls-listen needs --certificate and --key')
    return args


def settings_of(args: argparse.Namespace) -> Settings:
    given = json.loads(args.state.read_text()) if args.state else {}
    if not isinstance(given, dict):
        raise ValueError(f'{args.state}: not an object')
    if args.secret_file:
        given['signaling_sfu_secret'] = read_secret(args.secret_file).decode()
    if args.turn_secret_file:
        given['turn_secret'] = read_secret(args.turn_secret_file).splitlines()[0].decode()
    return Settings(given)


def tls_of(args: argparse.Namespace) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(['http/1.1'])
    context.load_cert_chain(args.certificate, args.key)
    return context


async def start(runner: web.AppRunner, kind: str, where: tuple, tls=None) -> None:
    known = len(runner.addresses)
    await web.TCPSite(runner, *where, ssl_context=tls).start()
    at = runner.addresses[known]
    shown = f'[{at[0]}]' if ':' in at[0] else at[0]
    print(f'listening {kind} {shown}:{at[1]}', flush=True)


async def serve(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    central = Central(settings_of(args), args.token_ttl, HERE / 'page', *urls_of(args.turn, args.turns))
    public, control = (web.AppRunner(app, access_log=None) for app in (central.app(), central.control_app()))
    await public.setup()
    await control.setup()
    try:
        if args.listen:
            await start(public, 'plain', args.listen)
        if args.tls_listen:
            await start(public, 'tls', args.tls_listen, tls_of(args))
        if args.control:
            await start(control, 'control', args.control)
        await stop.wait()
    finally:
        await public.cleanup()
        await control.cleanup()


def main(argv=None) -> int:
    args = arguments(argv)
    try:
        asyncio.run(serve(args))
    except (OSError, ValueError, BadField) as e:
        print(f'central.py: {e}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
