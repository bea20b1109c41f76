/* SPDX-License-Identifier: AGPL-3.0-only */
/* healthd's configuration: one struct, filled from the key table and healthd.conf. */
#ifndef HEALTHD_CONF_H
#define HEALTHD_CONF_H

#include "base/secret.h"
#include "wire/conf.h"

#define HEALTHD_CONF_PATH "/etc/oxpulse-partner-edge/healthd.conf"

struct healthd_conf {
	/* [Node] */
	char id[CONF_TEXT_MAX], partner_id[CONF_TEXT_MAX], domain[CONF_TEXT_MAX], turns_name[CONF_TEXT_MAX];
	char state_directory[CONF_TEXT_MAX]; /* /var/lib/oxpulse-partner-edge */
	char config_directory[CONF_TEXT_MAX]; /* /etc/oxpulse-partner-edge */
	/* [Central] */
	char url[CONF_TEXT_MAX], ca_file[CONF_TEXT_MAX];
	char token_file[CONF_TEXT_MAX], cross_probe_token_file[CONF_TEXT_MAX]; /* credentials; may be missing */
	/* [Probe] */
	uint64_t interval, timeout; /* 60 s, 5 s */
	char channels[CONF_TEXT_MAX];          /* "ch2 ch1": provisioned, in order */
	char channel_directory[CONF_TEXT_MAX]; /* /run/oxpulse-tunneld: a Unix socket per channel */
	char channel_host[CONF_TEXT_MAX];      /* Host header of /api/health through a channel */
	struct addr turn_address;              /* own public address; unset: no TURN probe */
	char turn_secret_file[CONF_TEXT_MAX], sfu_secret_file[CONF_TEXT_MAX];
	struct addr sfu_signal, sfu_media, front, canary; /* 127.0.0.1:8920, unset, 127.0.0.1:443, 127.0.0.1:9080 */
	char front_ca_file[CONF_TEXT_MAX];     /* "" = the system's */
	bool peers;                            /* probe the roster's peers */
	bool peers_internal;                   /* tests only: allow internal addresses */
	/* [Http] */
	struct conf_addr_list listen; /* 127.0.0.1:9640, and the mesh's */
	/* [Repair] */
	bool repair;
	uint32_t repair_budget;       /* 3 */
	uint64_t repair_window;       /* 1 h */
	char request_directory[CONF_TEXT_MAX]; /* /run/oxpulse-partner-edge/requests */
	/* [Control] [Log] */
	char control_directory[CONF_TEXT_MAX]; /* /run/oxpulse-partner-edge: the daemons' sockets */
	char control_socket[CONF_TEXT_MAX], refresh_user[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];
	/* derived */
	int level;
	struct secret turn_secret, sfu_secret, token, cross_probe_token;
};

extern const struct conf_key healthd_keys[];

/* Loads and checks; logs what is wrong. A secret that is not there is none: what needs it is skipped and says so. */
int healthd_conf_load(const char *path, struct healthd_conf *ret);
/* The first line of a credential or file, which is what signs: turnd's may hold older secrets below. As conf_file_secret. */
int healthd_conf_secret(const char *name, struct secret *ret);
void healthd_conf_done(struct healthd_conf *c); /* wipes */
void healthd_conf_frozen(const struct healthd_conf *old, const struct healthd_conf *new, struct wr *w);

#endif
