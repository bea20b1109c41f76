/* SPDX-License-Identifier: AGPL-3.0-only */
/* turnd's configuration: one struct, filled from the key table and turnd.conf. */
#ifndef TURND_CONF_H
#define TURND_CONF_H

#include "turnd/turn.h"
#include "wire/conf.h"

#define TURND_CONF_PATH "/etc/oxpulse-partner-edge/turnd.conf"
#define TURND_PORT 3478
#define TURND_TLS_PORT 5349

struct turnd_conf {
	/* [Server], as written */
	struct conf_addr_list listen;     /* UDP and TCP; default [::]:3478, which is every address */
	struct conf_addr_list listen_tls; /* TLS and DTLS; needs a certificate */
	char turns_socket[CONF_TEXT_MAX]; /* Unix stream socket of the front, PROXY header expected */
	char cover_socket[CONF_TEXT_MAX], cover_h2_socket[CONF_TEXT_MAX]; /* the front's plain HTTP/1.1 and h2 sockets */
	struct conf_addr_list relay_address, external_address; /* at most one of each family */
	struct addr alternate_address;    /* RFC 5780 */
	char realm[CONF_TEXT_MAX];
	struct conf_text_list secret_file;
	char certificate[CONF_TEXT_MAX], private_key[CONF_TEXT_MAX];
	uint16_t min_port, max_port;
	uint32_t workers; /* 0: one per processor */
	bool software, tcp_relay, mobility;
	uint32_t receive_buffer, send_buffer;
	uint64_t coalesce; /* us */
	/* [Policy] */
	struct conf_addr_set allow_peer;
	struct conf_prefix_set deny_peer;
	uint32_t user_quota, total_quota;
	uint64_t max_bps, total_bps; /* bytes per second */
	uint64_t max_lifetime, probe_lifetime;
	uint32_t max_permissions, max_channels;
	uint64_t drain_limit;
	/* [Metrics] [Control] [Log] */
	uint16_t metrics_port;
	struct addr metrics_bind;
	char control_socket[CONF_TEXT_MAX], health_user[CONF_TEXT_MAX], refresh_user[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];
	/* derived */
	int level;
	struct secret secret[TURN_SECRETS_MAX]; /* one per line of the files, newest first */
	uint32_t n_secrets;
	struct turn_conf turn; /* but worker, n_workers and keys; secret points into this struct */
};

extern const struct conf_key turnd_keys[];

/* Loads and checks; logs what is wrong. NULL path: the default one, which may be missing. */
int turnd_conf_load(const char *path, struct turnd_conf *ret);
void turnd_conf_done(struct turnd_conf *c);
/* Names of keys whose change needs a restart, space separated, into w. */
void turnd_conf_frozen(const struct turnd_conf *old, const struct turnd_conf *new, struct wr *w);

/* What only a restart changes stays as it is in old. */
void turnd_conf_keep(const struct turnd_conf *old, struct turnd_conf *new);

#endif
