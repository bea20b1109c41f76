# SPDX-License-Identifier: AGPL-3.0-only
"""What every reply of the hub has in common: the shape of an error and the security headers.

The headers are set when a reply is about to be sent, so that no handler, and no error page of the library, can miss them.
"""

from aiohttp import web

# Everything the page needs is same-origin. WebSockets are named by scheme because Safari before 15.4 does not count
# them as 'self'; the page itself only ever dials its own host. blob: is the browser's own name for a media stream.
CSP = '; '.join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob: mediastream:",
    "connect-src 'self' ws: wss:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
))

SECURITY = {
    'Content-Security-Policy': CSP,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(self), microphone=(self), display-capture=(self), autoplay=(self), '
                          'screen-wake-lock=(self), geolocation=(), payment=(), usb=()',
}


class BadField(Exception):
    """A parameter is missing or wrong; the text starts with its name and becomes the reply's "error"."""
    status = 400


class Refused(Exception):
    """A reply of the partner API with "error" and "code" (spec/control-plane.md section 1)."""

    def __init__(self, status: int, code: str, text: str, headers=None):
        super().__init__(text)
        self.status, self.code, self.headers = status, code, headers or {}


def json_reply(body: dict, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={'Cache-Control': 'no-store'})


@web.middleware
async def error_middleware(request: web.Request, handler):
    try:
        return await handler(request)
    except BadField as e:
        return json_reply({'error': str(e)}, status=400)
    except Refused as e:
        reply = json_reply({'error': str(e), 'code': e.code}, status=e.status)
        reply.headers.update(e.headers)
        return reply
    except web.HTTPException as e:
        if e.status < 400:
            raise
        reply = json_reply({'error': e.reason}, status=e.status)
        if 'Allow' in e.headers:
            reply.headers['Allow'] = e.headers['Allow']
        return reply


async def secure_headers(request: web.Request, reply: web.StreamResponse) -> None:
    for name, value in SECURITY.items():
        reply.headers.setdefault(name, value)
    # The front is the server that the world sees; this one does not say what it is made of.
    reply.headers['Server'] = 'hub'
