# SPDX-License-Identifier: AGPL-3.0-only
"""The call page's files, read once at start: a request is looked up in a table, so none can name a file outside it.

Files have no version in their names, so a browser keeps them but asks each time (no-cache plus ETag): after an update
a module of yesterday never meets a module of today.
"""

import hashlib
from pathlib import Path

from aiohttp import web
from aiohttp.helpers import ETag

TYPES = {
    '.html': 'text/html',
    '.css': 'text/css',
    '.js': 'text/javascript',
    '.svg': 'image/svg+xml',
    '.webmanifest': 'application/manifest+json',
}


class PageFiles:
    def __init__(self, root: Path):
        self._files = {}
        for path in sorted(root.rglob('*')):
            if path.is_file() and path.suffix in TYPES:
                body = path.read_bytes()
                name = '/' + path.relative_to(root).as_posix()
                self._files[name] = (body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])
        if '/index.html' not in self._files:
            raise ValueError(f'{root}: no index.html in it')
        self._files['/'] = self._files['/index.html']
        if '/icon.svg' in self._files:
            # Browsers ask for it unasked, and take any image type.
            self._files['/favicon.ico'] = self._files['/icon.svg']

    def routes(self):
        return [web.get('/{path:.*}', self.file, name='page')]

    async def file(self, request: web.Request) -> web.StreamResponse:
        found = self._files.get(request.path)
        if found is None:
            raise web.HTTPNotFound()
        body, content_type, tag = found
        known = any(e.value in (tag, '*') for e in request.if_none_match or ())
        if known:
            reply = web.Response(status=304)
        else:
            reply = web.Response(body=body, content_type=content_type, charset='utf-8')
            reply.enable_compression()
        reply.headers['Cache-Control'] = 'no-cache'
        # Weak, because the same tag names the compressed body and the plain one.
        reply.etag = ETag(value=tag, is_weak=True)
        return reply
