# SPDX-License-Identifier: AGPL-3.0-only
"""What the central system is set up with, and what follows from it: channels, versions, the SFU's signing key.

Names are those of the fields that a node is told (spec/control-plane.md 1.1, 1.2, 1.7, 2.2, 2.3). Every test may change any of
them; a version is the SHA-256 of what it stands for, so it changes exactly when the content does (section 9).
"""

import base64
import hashlib
import ipaddress
import json
import secrets
import subprocess
import uuid

from replies import BadField
from tables import b64url_random

# The PascalCase names of an epoch and the snake_case of the register reply: both are projections of these values (6.2, 6.7).
AWG_NAMES = {
    **{name: name.lower() for name in ('Jc', 'Jmin', 'Jmax', 'S1', 'S2', 'S3', 'S4', 'H1', 'H2', 'H3', 'H4',
                                       'I1', 'I2', 'I3', 'I4', 'I5')},
    'HeaderProtectionKey': 'header_protection_key', 'ContentPaddingAddition': 'content_padding_addition',
    'RekeyAfterTime': 'rekey_after_time', 'RekeyTimeout': 'rekey_timeout', 'RejectAfterTime': 'reject_after_time',
    'KeepaliveTimeout': 'keepalive_timeout', 'MaxHandshakeAttempts': 'max_handshake_attempts',
    'RandomTrailers': 'random_trailers', 'DisableCookies': 'disable_cookies',
}
AWG_V1 = {'Jc', 'Jmin', 'Jmax', 'S1', 'S2', 'S4', 'H1', 'H2', 'H3', 'H4'}
SPKI_HEAD = bytes.fromhex('302a300506032b6570032100')


def sha256_of(content) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(',', ':')).encode()).hexdigest()


def make_signing_key() -> tuple:
    """(private PEM, public PEM) of a new Ed25519 key."""
    private = subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519'], check=True, capture_output=True).stdout
    public = subprocess.run(['openssl', 'pkey', '-pubout'], input=private, check=True, capture_output=True).stdout
    return private.decode(), public.decode()


def reality_encryption() -> str:
    return f'mlkem768x25519plus.native.0rtt.{b64url_random(32)}'


def defaults() -> dict:
    private, public = make_signing_key()
    return {
        'turn_secret': secrets.token_hex(24),
        'signaling_sfu_secret': secrets.token_hex(24),
        'relay_jwt_secret': '',                 # '': not sent, as the real one does not
        'public_ip': '',                        # '': the address that the client came from or named; null: not sent
        'backend_endpoint': '203.0.113.10:5349',
        'reality_uuid': str(uuid.uuid4()),
        'reality_public_key': b64url_random(32),
        'reality_short_id': secrets.token_hex(4),
        'reality_server_name': 'www.example.com',
        'reality_server_names': ['www.example.com', 'cdn.example.net'],
        'reality_encryption': reality_encryption(),
        'config_version': 1,
        'hysteria2_server': '203.0.113.10:51822',
        'hysteria2_port': '',
        'hy2_auth_pass': secrets.token_hex(16),
        'hy2_obfs_pass': secrets.token_hex(16),
        'naive_server': '', 'naive_port': 443, 'naive_user': 'edge', 'naive_pass': secrets.token_hex(16),
        'naive_socks_port': 1080,
        'motherly_pubkey': base64.b64encode(secrets.token_bytes(32)).decode(),      # '': central has no mesh
        'motherly_endpoint': '203.0.113.10:51820',
        'motherly_awg_ip': '10.9.0.2',
        'otel_endpoint': '',
        'awg_params': {'Jc': 4, 'Jmin': 50, 'Jmax': 150, 'S1': 20, 'S2': 31, 'S4': 18,
                       'H1': 100000, 'H2': 200000, 'H3': 300000, 'H4': 400000},
        'awg_epoch': 1,
        'peer_roster': None,                    # null: the other registered nodes
        'channels': None,                       # null: made of the fields above
        'channels_extra': [],                   # added behind those
        'sfu_signing_private_key': private,
        'sfu_signing_public_key': public,
        'cross_probe': True,                    # CROSS_PROBE_TOKEN_SECRET is set
        'rate_limit': True,
        'extra': {},                            # more members of the node document, over those above
        'primary_domain': 'oxpulse.example',
    }


NULLABLE = {'public_ip', 'peer_roster', 'channels', 'reality_server_names'}
LISTS = {'peer_roster', 'channels', 'reality_server_names', 'channels_extra'}
EITHER = {'hysteria2_port', 'naive_port', 'naive_socks_port'}      # a number, or a string as some centrals send it


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host_and_port(text: str, port=0) -> tuple:
    """Split at the last colon; port: what counts when the text has none, a number or a string."""
    host, colon, own = text.rpartition(':')
    if not colon:
        host, own = text, str(port)
    return host, int(own) if own.isdecimal() else 0


class Settings:
    def __init__(self, given=None):
        self.values = defaults()
        self._kinds = {name: list if name in LISTS else type(value) for name, value in self.values.items()}
        self._watchers = []
        self.set(given or {})

    def __getattr__(self, name: str):
        try:
            return self.__dict__['values'][name]
        except KeyError:
            raise AttributeError(name) from None

    def watch(self, name: str, told) -> None:
        """told(value), now and after each change."""
        self._watchers.append((name, told))
        told(self.values[name])

    def set(self, changes: dict) -> None:
        for name, value in changes.items():
            if name not in self.values:
                raise BadField(f'{name}: no such setting; there are {", ".join(sorted(self.values))}')
            if not self._fits(name, value):
                raise BadField(f'{name}: wrong type')
        unknown = set(changes.get('awg_params', ())) - set(AWG_NAMES)
        if unknown:
            raise BadField(f'awg_params: no parameter {sorted(unknown)[0]}')
        if 'motherly_awg_ip' in changes and not is_address(changes['motherly_awg_ip']):
            raise BadField('motherly_awg_ip: not an address')
        self.values.update(changes)
        for name, told in self._watchers:
            if name in changes:
                told(changes[name])

    def _fits(self, name: str, value) -> bool:
        if value is None:
            return name in NULLABLE
        if name in EITHER:
            return type(value) in (int, str)
        return type(value) is self._kinds[name]

    # --- what follows ---

    def rotate_reality(self) -> None:
        self.set({'reality_public_key': b64url_random(32), 'reality_encryption': reality_encryption()})

    def change_channels(self) -> None:
        """A channel of a kind that no node knows: the version changes, and nothing that works stops."""
        n = len(self.channels_extra) + 1
        more = {'id': f'ch6-{n}', 'protocol': f'experimental-{n}', 'host': '203.0.113.10', 'port': 50000 + n}
        self.set({'channels_extra': [*self.channels_extra, more]})

    def publish_epoch(self, params: dict) -> None:
        self.set({'awg_params': params, 'awg_epoch': self.awg_epoch + 1})

    def channel_list(self) -> list:
        if self.channels is not None:
            return self.channels + self.channels_extra
        host, port = host_and_port(self.backend_endpoint)
        xray = {'uuid': self.reality_uuid, 'encryption': self.reality_encryption, 'public_key': self.reality_public_key,
                'short_id': self.reality_short_id,
                'server_names': self.reality_server_names or [self.reality_server_name]}
        found = [{'id': 'ch1', 'protocol': 'vless-reality', 'host': host, 'port': port, 'xray': xray}]
        if self.hysteria2_server:
            host, port = host_and_port(self.hysteria2_server, self.hysteria2_port)
            found.append({'id': 'ch3', 'protocol': 'hysteria2', 'host': host, 'port': port})
        if self.naive_server:
            host, port = host_and_port(self.naive_server, self.naive_port)
            found.append({'id': 'ch5', 'protocol': 'naive', 'host': host, 'port': port})
        return found + self.channels_extra

    def tunnel_fields(self) -> dict:
        """The optional flat fields of ch3 and ch5: those of a channel that is off are absent."""
        names = [n for n in ('hysteria2_server', 'hysteria2_port') if self.hysteria2_server]
        names += [n for n in ('naive_server', 'naive_port', 'naive_user', 'naive_pass', 'naive_socks_port') if self.naive_server]
        return {name: self.values[name] for name in names if self.values[name] != ''}

    def keys_version(self) -> str:
        return sha256_of([self.reality_public_key, self.reality_encryption, self.reality_server_names])

    def channels_version(self) -> str:
        return sha256_of([self.channel_list(), self.tunnel_fields()])

    def sfu_key_as(self, form: str) -> str:
        """The SFU's public key as central versions have been seen to send it (3.2)."""
        pem = self.sfu_signing_public_key
        if form == 'pem':
            return pem
        if form == 'escaped':
            return pem.replace('\n', '\\n')
        der = ''.join(line for line in pem.splitlines() if not line.startswith('-'))
        return der if form == 'der' else base64.b64encode(base64.b64decode(der)[len(SPKI_HEAD):]).decode()

    def awg_epoch_is_v1(self) -> bool:
        return set(self.awg_params) <= AWG_V1
