# SPDX-License-Identifier: AGPL-3.0-only
"""An Ed25519 key of central's, by openssl, and room tokens signed by it."""
import base64
import json
import os
import subprocess
import tempfile
import time


def openssl(*words, text_in=None):
    return subprocess.run(["openssl", *words], input=text_in, check=True, capture_output=True, timeout=20).stdout


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class SigningKey:
    def __init__(self, directory):
        self._directory = directory
        private = openssl("genpkey", "-algorithm", "ed25519")
        self.private = private.decode()
        self.public = openssl("pkey", "-pubout", text_in=private).decode()

    def token(self, room, sub=900):
        """A room token (EdDSA) for one minute."""
        now = int(time.time())
        claims = {"sub": sub, "room": room, "iat": now, "exp": now + 60}
        signed = b".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, claims))
        with tempfile.TemporaryDirectory(dir=self._directory) as place:
            for name, data in (("key", self.private.encode()), ("text", signed)):
                with open(os.path.join(place, name), "wb") as f:
                    f.write(data)
            signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", f"{place}/key", "-in", f"{place}/text")
        return (signed + b"." + base64url(signature)).decode()
