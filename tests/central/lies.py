# SPDX-License-Identifier: AGPL-3.0-only
"""Replies that are not what they say: what a proxy, a captive portal or a broken central puts in the place of an answer."""

import json

from aiohttp import web

HUGE_BYTES = 10 * 1024 * 1024
PORTAL = b'<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please accept the terms.</body></html>\n'


def wrong_types(value):
    """The same names, every value of another type."""
    if isinstance(value, dict):
        return {name: [v] if isinstance(v, dict) else wrong_types(v) for name, v in value.items()}
    if isinstance(value, list):
        return {str(i): v for i, v in enumerate(value)}
    if isinstance(value, bool) or value is None:
        return 'yes'
    return 7 if isinstance(value, str) else str(value)


def _retyped(reply: web.Response) -> bytes:
    try:
        return json.dumps(wrong_types(json.loads(reply.body))).encode()
    except ValueError:
        return b'7'


# kind -> (body of the real reply, content type)
LIES = {
    'content_type': lambda reply: (reply.body, 'text/html'),
    'html': lambda reply: (PORTAL, 'text/html'),
    'truncated': lambda reply: (reply.body[:len(reply.body) // 2], 'application/json'),
    'huge': lambda reply: (b'{"node_id":"' + b'x' * HUGE_BYTES + b'"}', 'application/json'),
    'wrong_types': lambda reply: (_retyped(reply), 'application/json'),
}


def lie(reply: web.StreamResponse, kind: str) -> web.StreamResponse:
    if not isinstance(reply, web.Response) or not isinstance(reply.body, bytes):
        return reply
    body, content_type = LIES[kind](reply)
    return web.Response(body=body, content_type=content_type, status=200 if kind == 'html' else reply.status)
