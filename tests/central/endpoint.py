# SPDX-License-Identifier: AGPL-3.0-only
"""How an endpoint of the partner API looks at a request: bearer, content type, and the body field by field.

Stricter than the real central system is known to be, so that a client's mistake is seen (spec/control-plane.md section 9): 401
for a missing or unknown bearer, 403 for another node's, 415 and 400 for what is no JSON, 422 for fields that are wrong, missing
or too many. The check comes before the scenario: a scenario can not hide a wrong request.
"""

import json
import re
from datetime import datetime, timezone

from aiohttp import web

from replies import Refused
from script import Script
from settings import Settings
from tables import Node, Tables

BEARER = re.compile(r'Bearer ((stkn|xprb)_[A-Za-z0-9_-]{1,256})')


# --- field checks: the value's fault in words, or None ---

def text(least: int = 1, most: int = 256):
    def check(value):
        if not isinstance(value, str):
            return 'not a string'
        return None if least <= len(value) <= most else f'not {least} to {most} characters long'
    return check


def pattern(regex: str, words: str):
    compiled = re.compile(regex)
    return lambda value: None if isinstance(value, str) and compiled.fullmatch(value) else words


def one_of(*names: str):
    return lambda value: None if value in names and isinstance(value, str) else f'none of {", ".join(names)}'


def number(value):
    if isinstance(value, bool) or not isinstance(value, int):
        return 'not an integer'
    return None if 0 <= value < 2 ** 63 else 'out of range'


def boolean(value):
    return None if isinstance(value, bool) else 'not true or false'


def an_object(value):
    return None if isinstance(value, dict) else 'not an object'


def utc_time(value):
    """RFC 3339, whole seconds, Z."""
    try:
        datetime.strptime(value, '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=timezone.utc)
    except (TypeError, ValueError):
        return 'not a UTC time like 2026-01-31T12:00:00Z'
    return None if len(value) == 20 else 'not a UTC time like 2026-01-31T12:00:00Z'


# --- requests ---

def unique_names(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError('a name stands twice in an object')
    return found


def no_constant(name: str):
    raise ValueError(f'{name} is no JSON')


async def body_of(request: web.Request) -> dict:
    if request.content_type != 'application/json':
        raise Refused(415, 'unsupported_media_type', f'Content-Type is {request.headers.get("Content-Type", "missing")}')
    try:
        body = json.loads((await request.read()).decode(), object_pairs_hook=unique_names, parse_constant=no_constant)
    except ValueError as e:
        raise Refused(400, 'bad_json', f'no JSON: {e}') from None
    if not isinstance(body, dict):
        raise Refused(422, 'bad_field', 'the body is not an object')
    return body


def check_fields(body: dict, required: dict, optional=None) -> None:
    known = {**required, **(optional or {})}
    for name in body:
        if name not in known:
            raise Refused(422, 'unknown_field', f'{name}: unknown field')
    for name in required:
        if name not in body:
            raise Refused(422, 'missing_field', f'{name}: missing')
    for name, value in body.items():
        fault = known[name](value)
        if fault:
            raise Refused(422, 'bad_field', f'{name}: {fault}')


def check_query(request: web.Request, **known) -> None:
    """known: name -> the values it may have."""
    for name in request.query:
        if name not in known or len(request.query.getall(name)) > 1:
            raise Refused(422, 'unknown_field', f'{name}: unknown in the query, or there twice')
        if request.query[name] not in known[name]:
            raise Refused(422, 'bad_field', f'{name}: none of {", ".join(known[name])}')


def no_bearer(request: web.Request) -> None:
    """A token sent where none is asked for is a token shown to somebody who need not know it."""
    if 'Authorization' in request.headers:
        raise Refused(400, 'unexpected_authorization', 'this endpoint takes no Authorization')


def bearer_of(request: web.Request) -> tuple:
    """(prefix, token)"""
    given = request.headers.getall('Authorization', [])
    found = BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if not found:
        raise Refused(401, 'missing_bearer' if not given else 'unknown_bearer', 'Authorization: Bearer stkn_... or xprb_...')
    return found[2], found[1]


class Part:
    """What the parts of the partner API share. A subclass gives the routes; each is one self.endpoint()."""

    def __init__(self, settings: Settings, tables: Tables, script: Script):
        self.settings, self.tables, self.script = settings, tables, script

    def endpoint(self, method: str, path: str, name: str, check, answer, plays=(), once=()) -> web.RouteDef:
        """check(request) -> what it found, or Refused; answer(request, found, play) -> reply. plays: patterns of the names that
        answer knows beside "ok"; once: those that change central's state, and so happen one time only."""
        self.script.add(name, plays, once, own=True)

        async def serve(request: web.Request) -> web.StreamResponse:
            found = await check(request)
            return await self.script.perform(request, name, lambda play: answer(request, found, play))
        return web.route(method, path, serve, name=name)

    def service_node(self, request: web.Request) -> Node:
        kind, token = bearer_of(request)
        node = self.tables.by_service_token(token) if kind == 'stkn' else None
        if node is None:
            raise Refused(401, 'unknown_bearer', 'no node has this service token')
        return node


class NoEndpoint:
    """The rest of /api/: without it a misspelt path would be looked up among the page's files."""

    def routes(self):
        return [web.route('*', '/api/{path:.*}', self.refuse)]

    async def refuse(self, request: web.Request):
        raise Refused(404, 'no_such_endpoint', f'{request.method} {request.path}: no such path, or not with this method')
