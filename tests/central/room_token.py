# SPDX-License-Identifier: AGPL-3.0-only
"""Room tokens: the HS256 JWT that a browser shows the SFU (spec/sfu.md 2.1).

Claims: sub (number, the peer's id), room, iat, exp. Made by hand from RFC 7515, so that the SFU's own verifier is
checked against a second reading of the standard and not against a shared library.
"""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path


def read_secret(path: Path) -> bytes:
    """The secret's bytes. Line ends at the file's end are not part of it: an editor adds one, and a shell that puts
    the same file into SIGNALING_SFU_SECRET drops it."""
    secret = path.read_bytes().rstrip(b'\r\n')
    if not secret:
        raise ValueError(f'{path}: the secret is empty; write at least 32 random characters into it')
    return secret


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode('ascii')


class TokenMint:
    def __init__(self, secret: bytes, ttl: int, now=time.time):
        self._secret = secret
        self._now = now
        self.ttl = ttl

    def set_secret(self, secret: bytes) -> None:
        self._secret = secret

    def mint(self, room: str, sub: int) -> str:
        iat = int(self._now())
        head = {'alg': 'HS256', 'typ': 'JWT'}
        claims = {'sub': sub, 'room': room, 'iat': iat, 'exp': iat + self.ttl}
        signed = '.'.join(b64url(json.dumps(part, separators=(',', ':')).encode()) for part in (head, claims))
        mac = hmac.new(self._secret, signed.encode(), hashlib.sha256).digest()
        return f'{signed}.{b64url(mac)}'
