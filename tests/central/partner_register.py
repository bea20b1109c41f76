# SPDX-License-Identifier: AGPL-3.0-only
"""POST /api/partner/register (spec/control-plane.md 1.1): a one-use token becomes a node."""

import ipaddress

from aiohttp import web

from endpoint import Part, an_object, body_of, check_fields, check_query, no_bearer, pattern, text
from node_document import document_of
from replies import Refused, json_reply
from turn_credentials import Limiter

LIMIT, WINDOW_S = 10, 60

# code -> (status, words)
ERRORS = {
    'db_unavailable': (503, 'no database'),
    'missing_ip': (400, 'neither X-Forwarded-For nor public_ip tells an address'),
    'rate_limited': (429, 'too many requests'),
    'bad_partner_id': (400, 'partner_id: 1 to 64 characters'),
    'bad_token': (400, 'token: 1 to 256 characters'),
    'reality_not_configured': (500, 'Reality is not configured'),
    'turn_not_configured': (500, 'TURN is not configured'),
    'backend_endpoint_not_configured': (500, 'the backend endpoint is not configured'),
    'token_not_found': (403, 'no such token'),
    'token_revoked': (403, 'the token was revoked'),
    'token_already_used': (409, 'the token was used'),
    'token_expired': (403, 'the token has expired'),
    'partner_mismatch': (403, 'the token belongs to another partner'),
    'internal_error': (500, 'internal error'),
    'installer_too_old': (422, 'this installer is too old; at least v3.1.0 is needed'),
}


def address(value):
    try:
        ipaddress.ip_address(value if isinstance(value, str) else '')
    except ValueError:
        return 'not an IPv4 or IPv6 address'
    return None


LABEL = r'[a-z0-9]([a-z0-9-]*[a-z0-9])?'
REQUIRED = {
    'partner_id': text(0, 10 ** 6),         # their lengths have codes of their own
    'domain': pattern(rf'(?i)({LABEL}\.)+{LABEL}', 'not a host name'),
    'token': text(0, 10 ** 6),
}
OPTIONAL = {
    'public_ip': address,
    'region': text(1, 64),
    'awg_pubkey': pattern(r'[A-Za-z0-9+/]{43}=', 'not 44 characters of base64'),
    'reality_public_key': pattern(r'[A-Za-z0-9_-]{43}', 'not 43 characters of base64url'),
    'reality_uuid': pattern(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'not a UUID in lower case'),
    'branding': an_object,
}
PLAYS = ['ok200', 'timeout_after_commit', 'not_json', 'no_awg', 'no_service_token', 'empty_roster', *ERRORS,
         r'missing_[a-z0-9_]+', r'blank_[a-z0-9_]+', r'(newline|shell)_value(:[a-z0-9_]+)?']


def refuse(code: str):
    status, words = ERRORS[code]
    raise Refused(status, code, words, {'Retry-After': str(WINDOW_S)} if status == 429 else {})


class Register(Part):
    def __init__(self, *shared, limiter=None):
        super().__init__(*shared)
        self._limiter = limiter or Limiter(LIMIT, WINDOW_S)

    def routes(self):
        return [self.endpoint('POST', '/api/partner/register', 'register', self.check, self.answer, PLAYS)]

    # --- the request, in the order of the real one ---

    async def check(self, request: web.Request) -> tuple:
        no_bearer(request)
        check_query(request)
        body = await body_of(request)
        check_fields(body, REQUIRED, OPTIONAL)
        ip = self._client_ip(request, body)
        if self.settings.rate_limit and self._limiter.wait(ip):
            refuse('rate_limited')
        if not 1 <= len(body['partner_id']) <= 64:
            refuse('bad_partner_id')
        if not 1 <= len(body['token']) <= 256:
            refuse('bad_token')
        return body, ip

    @staticmethod
    def _client_ip(request: web.Request, body: dict) -> str:
        hop = request.headers.get('X-Forwarded-For', '').split(',')[0].strip()
        if hop and address(hop) is None:
            return hop
        return body.get('public_ip') or refuse('missing_ip')

    def _check_setup(self) -> None:
        s = self.settings
        if not (s.reality_uuid and s.reality_public_key and s.reality_short_id):
            refuse('reality_not_configured')
        if not s.turn_secret:
            refuse('turn_not_configured')
        host, colon, port = s.backend_endpoint.rpartition(':')
        if not (host and colon and port):
            refuse('backend_endpoint_not_configured')

    def _token_row(self, body: dict):
        row = self.tables.by_registration_token(body['token']) or refuse('token_not_found')
        if row.revoked_at is not None:
            refuse('token_revoked')
        if row.used_at is not None:
            refuse('token_already_used')
        if row.expires_at <= self.tables.now():
            refuse('token_expired')
        if row.partner_id != body['partner_id']:
            refuse('partner_mismatch')
        return row

    # --- the reply ---

    def _commit(self, request: web.Request, body: dict, ip: str):
        row = self._token_row(body)
        node = self.tables.register(body['partner_id'], body['domain'])
        row.used_at, row.used_from_ip, row.node_id = self.tables.now(), ip, node.node_id
        node.last_seen_at, node.public_ip = row.used_at, ip
        node.region = body.get('region', node.region)
        node.reality_pubkey = body.get('reality_public_key', node.reality_pubkey)
        node.reality_uuid = body.get('reality_uuid', node.reality_uuid)
        node.awg_pubkey = body.get('awg_pubkey', node.awg_pubkey)
        node.branding = body.get('branding', node.branding)
        node.installer_version = request.headers.get('X-Installer-Version', node.installer_version)
        return node

    def _reply_body(self, node, has_awg: bool) -> dict:
        doc = document_of(self.settings, self.tables, node)
        if not has_awg:
            doc.pop('awg', None)
        if node.service_token_hash is None:
            doc['service_token'] = self.tables.give_service_token(node)
        if doc['peer_roster'] and self.settings.cross_probe:
            doc['cross_probe_token'] = self.tables.give_cross_probe_token(node)
        return doc

    async def answer(self, request: web.Request, found: tuple, play: str) -> web.StreamResponse:
        if play in ERRORS:
            refuse(play)
        body, ip = found
        self._check_setup()
        node = self._commit(request, body, ip)
        # From here on central has given the node a service token, whether the node hears of it or not.
        doc = spoiled(self._reply_body(node, 'awg_pubkey' in body), play)
        if play == 'timeout_after_commit':
            return await self.script.hang(request)
        if play == 'not_json':
            return web.Response(text='<html>Created</html>', status=201, content_type='text/html')
        return json_reply(doc, status=200 if play == 'ok200' else 201)


def spoiled(doc: dict, play: str) -> dict:
    if play == 'empty_roster':
        doc = {**doc, 'peer_roster': []}
        doc.pop('cross_probe_token', None)
    word, _, field = play.partition(':')
    if word == 'newline_value':
        doc[field or 'turn_secret'] = 'first\nSECOND=line'
    elif word == 'shell_value':
        doc[field or 'turn_secret'] = "a'$(id)`id`\"b"
    elif play.startswith('blank_'):
        name = play[len('blank_'):]
        doc['reality_encryption' if name == 'encryption' else name] = ''
    elif play.startswith(('missing_', 'no_')):
        doc.pop(play.partition('_')[2], None)
    return doc
