# SPDX-License-Identifier: AGPL-3.0-only
"""The tables behind the partner API (spec/control-plane.md 1.12), in memory: registration tokens and nodes.

Tokens are known by their SHA-256 only, as the real tables know them; the raw text leaves once, when it is made.
"""

import base64
import hashlib
import re
import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Optional

PARTNER = re.compile(r'[a-z0-9][a-z0-9-]{1,30}[a-z0-9]')
CROSS_PROBE_TTL_S = 604800


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def b64url_random(n: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(n)).rstrip(b'=').decode()


@dataclass
class Token:
    token_id: str
    partner_id: str
    token_hash: str
    expires_at: float
    created_at: float
    used_at: Optional[float] = None
    used_from_ip: Optional[str] = None
    node_id: Optional[str] = None
    revoked_at: Optional[float] = None


@dataclass
class Node:
    node_id: str
    partner_id: str
    domain: str
    turns_subdomain: str
    edge_id: str
    number: int                     # of registrations, which gives the mesh address
    registered_at: float
    public_ip: str = ''
    last_seen_at: Optional[float] = None
    service_token_hash: Optional[str] = None
    region: Optional[str] = None
    reality_pubkey: Optional[str] = None
    reality_uuid: Optional[str] = None
    awg_pubkey: Optional[str] = None
    branding: dict = field(default_factory=dict)
    installer_version: Optional[str] = None
    channels: dict = field(default_factory=dict)        # channel_name -> latest self report
    peer_reports: list = field(default_factory=list)    # as target: latest of each prober and channel
    awg_schema: Optional[int] = None                    # largest that its agent asked for
    awg_offered: list = field(default_factory=list)     # epochs that it was shown
    awg_applied_epoch: Optional[int] = None


class Tables:
    def __init__(self, now=time.time):
        self.now = now
        self.tokens = {}        # hash -> Token
        self.nodes = {}         # node_id -> Node
        self._probers = {}      # hash of a cross-probe token -> (node_id, expires_at)

    # --- registration tokens ---

    def issue(self, partner_id: str, valid_for: float) -> tuple:
        raw = 'ptkn_' + secrets.token_hex(32)
        now = self.now()
        row = Token(str(uuid.uuid4()), partner_id, token_hash(raw), now + valid_for, now)
        self.tokens[row.token_hash] = row
        return raw, row

    def by_registration_token(self, raw: str) -> Optional[Token]:
        return self.tokens.get(token_hash(raw))

    def revoke(self, token_id: str) -> bool:
        rows = [t for t in self.tokens.values() if t.token_id == token_id]
        for row in rows:
            row.revoked_at = self.now()
        return bool(rows)

    # --- nodes ---

    def register(self, partner_id: str, domain: str) -> Node:
        """The node of this partner and domain, as it was or new: its names never change once given."""
        for node in self.nodes.values():
            if (node.partner_id, node.domain) == (partner_id, domain):
                return node
        name, number = secrets.token_hex(6), len(self.nodes)
        count = 1 + sum(n.partner_id == partner_id for n in self.nodes.values())
        node = Node(f'{partner_id}-{name}', partner_id, domain, f'api-{name}', f'{partner_id}{count}', number, self.now())
        self.nodes[node.node_id] = node
        return node

    def give_service_token(self, node: Node) -> str:
        raw = 'stkn_' + b64url_random(32)
        node.service_token_hash = token_hash(raw)
        return raw

    def by_service_token(self, raw: str) -> Optional[Node]:
        found = token_hash(raw)
        return next((n for n in self.nodes.values() if n.service_token_hash == found), None)

    def by_domain(self, host: str) -> Optional[Node]:
        return next((n for n in self.nodes.values() if n.domain.lower() == host), None)

    # --- cross-probe tokens: older ones stay good until they expire ---

    def give_cross_probe_token(self, node: Node) -> str:
        raw = 'xprb_' + b64url_random(48)
        self._probers[token_hash(raw)] = (node.node_id, self.now() + CROSS_PROBE_TTL_S)
        return raw

    def by_cross_probe_token(self, raw: str) -> Optional[Node]:
        node_id, expires_at = self._probers.get(token_hash(raw), ('', 0))
        return self.nodes.get(node_id) if expires_at > self.now() else None

    def shown(self) -> dict:
        return {'tokens': [asdict(t) for t in self.tokens.values()], 'nodes': [asdict(n) for n in self.nodes.values()]}
