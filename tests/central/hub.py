#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""The embedded hub of `./edge demo`: the call page and what the page asks of a central system.

A part is one module with one class whose routes() joins the table in Hub.app(); central.py adds those of the partner API.
Nothing here shares code with the daemons that it tests. Everything lives in memory and is bounded; a restart forgets names
and nothing else.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from demo import Demo
from page_files import PageFiles
from public_api import PublicApi
from replies import error_middleware, secure_headers
from room_token import TokenMint, read_secret
from roster import Roster
from turn_credentials import TurnCredentials, urls_of

HERE = Path(__file__).resolve().parent


class Hub:
    """One hub: its parts, and the application that joins their routes."""

    def __init__(self, secret: bytes, token_ttl: int = 3600, page_dir: Path = HERE / 'page', turn=None, public=None, more=()):
        self.roster, self.mint = Roster(), TokenMint(secret, token_ttl)
        self.parts = [
            public or PublicApi(),
            turn or TurnCredentials(),
            Demo(self.mint, self.roster),
            *more,
            PageFiles(page_dir),        # last: it takes every path
        ]

    def middlewares(self) -> list:
        return [error_middleware]

    def app(self) -> web.Application:
        app = web.Application(middlewares=self.middlewares(), client_max_size=64 * 1024)
        app.on_response_prepare.append(secure_headers)
        for part in self.parts:
            app.add_routes(part.routes())
        return app


def listen_address(text: str) -> tuple:
    host, colon, port = text.rpartition(':')
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not ADDRESS:PORT')
    return host.strip('[]'), int(port)


def server_address(text: str) -> str:
    host, colon, port = text.rpartition(':')
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not HOST:PORT')
    return text


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not a positive number')
    return int(text)


def arguments(argv=None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog='hub.py', description='Call page and embedded hub of a demo node.')
    p.add_argument('--listen', type=listen_address, default=('127.0.0.1', 0), metavar='ADDRESS:PORT',
                   help='port 0 picks a free one, printed as "listening ADDRESS:PORT" (default 127.0.0.1:0)')
    p.add_argument('--secret-file', type=Path, required=True, metavar='FILE',
                   help="the HS256 secret of room tokens, the SFU's SIGNALING_SFU_SECRET")
    p.add_argument('--token-ttl', type=positive, default=3600, metavar='SECONDS',
                   help='how long a room token is good (default 3600)')
    p.add_argument('--turn-secret-file', type=Path, metavar='FILE',
                   help='the secret shared with the TURN server, its first line; without it there are no credentials')
    p.add_argument('--turn', type=server_address, metavar='HOST:PORT', help='the TURN server, over UDP and TCP; also for STUN')
    p.add_argument('--turns', type=server_address, metavar='HOST:PORT', help='the TURN server over TLS')
    args = p.parse_args(argv)
    if args.turn_secret_file is None and (args.turn or args.turns):
        p.error('--turn and --turns need --turn-secret-file')
    return args


def turn_of(args: argparse.Namespace) -> TurnCredentials:
    if args.turn_secret_file is None:
        return TurnCredentials()
    return TurnCredentials(read_secret(args.turn_secret_file).splitlines()[0], *urls_of(args.turn, args.turns))


async def serve(hub: Hub, host: str, port: int) -> None:
    stop = asyncio.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)

    runner = web.AppRunner(hub.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        at = runner.addresses[0]
        shown = f'[{at[0]}]' if ':' in at[0] else at[0]
        print(f'listening {shown}:{at[1]}', flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def main(argv=None) -> int:
    args = arguments(argv)
    try:
        hub = Hub(read_secret(args.secret_file), args.token_ttl, turn=turn_of(args))
        asyncio.run(serve(hub, *args.listen))
    except (OSError, ValueError) as e:
        print(f'hub.py: {e}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
