# SPDX-License-Identifier: AGPL-3.0-only
"""What central tells one node about itself (spec/control-plane.md 1.1, 2): the body of a register reply without its tokens,
which is also the node-config document. Both are made here, so that they cannot disagree."""

import ipaddress

from settings import AWG_NAMES, Settings
from tables import Node, Tables


def roster_of(settings: Settings, tables: Tables, node: Node) -> list:
    if settings.peer_roster is not None:
        return settings.peer_roster
    return [{'node_id': n.node_id, 'turns_host': f'{n.turns_subdomain}.{n.domain}', 'turns_port': 443}
            for n in tables.nodes.values() if n is not node]


def mesh_of(settings: Settings, node: Node) -> dict:
    """The register projection of the mesh: a parameter in its zero form is a parameter left out."""
    mesh = ipaddress.ip_network(f'{settings.motherly_awg_ip}/24', strict=False)
    parameters = {AWG_NAMES[name]: value for name, value in settings.awg_params.items() if value not in (0, '', False)}
    more = {'otel_endpoint': settings.otel_endpoint} if settings.otel_endpoint else {}
    return {'allocated_ip': f'{mesh.network_address + 7 + node.number % 240}/32', 'motherly_pubkey': settings.motherly_pubkey,
            'motherly_endpoint': settings.motherly_endpoint, 'motherly_awg_ip': settings.motherly_awg_ip,
            'edge_id': node.edge_id, **parameters, **more}


def document_of(settings: Settings, tables: Tables, node: Node) -> dict:
    plain = ('backend_endpoint', 'turn_secret', 'reality_uuid', 'reality_public_key', 'reality_short_id', 'reality_server_name',
             'reality_server_names', 'reality_encryption', 'config_version', 'signaling_sfu_secret')
    doc = {'node_id': node.node_id, 'turns_subdomain': node.turns_subdomain, **{name: settings.values[name] for name in plain}}
    if settings.reality_server_names is None:
        del doc['reality_server_names']
    if settings.relay_jwt_secret:
        doc['relay_jwt_secret'] = settings.relay_jwt_secret
    if settings.public_ip is not None:
        doc['public_ip'] = settings.public_ip or node.public_ip
    doc.update(settings.tunnel_fields())
    doc['channels'] = settings.channel_list()
    if settings.motherly_pubkey and node.awg_pubkey:
        doc['awg'] = mesh_of(settings, node)
    doc['peer_roster'] = roster_of(settings, tables, node)
    return {**doc, **settings.extra}
