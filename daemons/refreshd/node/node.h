/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The typed node document: central's answer (to register, or node-config), parsed once and validated as a whole. The text itself
 * is kept verbatim by whoever stores it; members nobody here knows survive every rewrite (doc.h).
 * Pure. spec: control plane 1.1, 2.
 */
#ifndef REFRESHD_NODE_H
#define REFRESHD_NODE_H

#include "base/addr.h"
#include "base/secret.h"

#define NODE_DOC_MAX (256 * 1024)
#define NODE_TOKENS_MAX 16384
#define NODE_CHANNELS_MAX 8
#define NODE_SNI_MAX 32
#define NODE_PEERS_MAX 64
#define NODE_NAME_MAX 254       /* a DNS name with its NUL */
#define NODE_ENCRYPTION_MAX 4096 /* an ML-KEM-768 key is 1579 characters of it */

/* The first thing that is wrong, in words an operator can act on. */
struct node_diag {
	char field[64];
	char text[256]; /* "signaling_sfu_secret is missing: browsers could not join group calls; ask central's admin to set it" */
};

enum channel_kind { CHANNEL_REALITY, CHANNEL_HYSTERIA2, CHANNEL_NAIVE, CHANNEL_TCP, CHANNEL_OTHER };

struct node_reality {
	char uuid[40], public_key[48], short_id[20];
	char encryption[NODE_ENCRYPTION_MAX];
	char server_name[NODE_NAME_MAX];
	char server_names[NODE_SNI_MAX][NODE_NAME_MAX];
	uint32_t n_server_names;
};

struct node_channel {
	char id[32]; /* as given, "ch1-acme"; without one by protocol: ch1, ch3, else ch0 */
	enum channel_kind kind;
	char protocol[32];
	char host[NODE_NAME_MAX];
	uint16_t port;
	bool has_reality;
	struct node_reality reality;
};

struct node_awg { /* the mesh; absent: allocated_ip is "" */
	char allocated_ip[64], motherly_pubkey[48], motherly_endpoint[NODE_NAME_MAX + 6], motherly_awg_ip[64];
	char edge_id[64], otel_endpoint[NODE_NAME_MAX + 32];
};

struct node_peer {
	char node_id[80], turns_host[NODE_NAME_MAX];
	uint16_t turns_port, udp_port; /* 443, 3478 */
};

struct node {
	char node_id[80], partner_id[65], domain[NODE_NAME_MAX];
	char backend_host[NODE_NAME_MAX]; /* backend_endpoint, split at the last ':' */
	uint16_t backend_port;
	char turns_subdomain[64];
	char public_ip[64]; /* "" when central did not say */
	struct secret turn_secret, signaling_sfu_secret, relay_jwt_secret; /* the last may be unset */
	struct node_reality reality; /* the flat fields, or channels[0] where that is vless-reality */
	struct node_awg awg;
	struct node_channel channel[NODE_CHANNELS_MAX];
	uint32_t n_channels;
	char hysteria2_server[NODE_NAME_MAX]; /* "" = off */
	uint16_t hysteria2_port;
	char naive_server[NODE_NAME_MAX], naive_user[64];
	struct secret naive_pass;
	uint16_t naive_port;
	struct node_peer peer[NODE_PEERS_MAX];
	uint32_t n_peers;
	bool has_roster; /* peer_roster was there, possibly empty */
	uint64_t config_version;
};

/* Required: node_id, backend_endpoint, turn_secret, turns_subdomain, reality_uuid, reality_public_key, reality_short_id,
 * reality_encryption (empty beside a public key is what a central that lost its setting sends: "stale registry"),
 * signaling_sfu_secret. With awg.allocated_ip also the rest of awg that an interface needs. Refused anywhere: control characters
 * in values (field named), wrong types, ports out of range, a public_ip that is no address. ERR_MISSING or ERR_MALFORMED with
 * *diag; ERR_LIMIT for a document beyond the bounds above; ERR_NOMEM. */
int node_parse(struct span doc, struct node *ret, struct node_diag *diag);
void node_done(struct node *n); /* wipes */

/* server_names of channels[0] where that is vless-reality, else reality_server_names, else the single name; blanks removed, so
 * possibly empty. Pointers into n. How many. */
uint32_t node_sni_pool(const struct node *n, const char *ret[NODE_SNI_MAX]);

#endif
