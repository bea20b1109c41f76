/* SPDX-License-Identifier: AGPL-3.0-only */
/* tunneld's configuration: one struct, filled from the key table and tunneld.conf. */
#ifndef TUNNELD_CONF_H
#define TUNNELD_CONF_H

#include "tunneld/channel.h"
#include "tunneld/pool.h"
#include "wire/conf.h"

#define TUNNELD_CONF_PATH "/etc/oxpulse-partner-edge/tunneld.conf"

struct tunneld_conf {
	/* [Pool], as written */
	char socket[ORDER_MAX_][CONF_TEXT_MAX];
	char order_text[ORDER_MAX_][CONF_TEXT_MAX];
	char channel_directory[CONF_TEXT_MAX]; /* "none": no sockets of single channels */
	char health_host[CONF_TEXT_MAX], health_path[CONF_TEXT_MAX];
	uint64_t health_interval, health_timeout;
	uint32_t health_passes, health_fails;
	uint64_t connect_timeout;
	uint32_t max_streams;
	uint64_t drain_limit;
	/* [Channel1] to [Channel6] */
	struct {
		char name[CONF_TEXT_MAX], type[CONF_TEXT_MAX], address[CONF_TEXT_MAX];
	} section[POOL_CHANNELS];
	/* [Metrics] [Control] [Log] */
	uint16_t metrics_port;
	struct addr metrics_bind;
	char control_socket[CONF_TEXT_MAX], health_user[CONF_TEXT_MAX], refresh_user[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];
	/* derived */
	int level;
	struct channel_conf channel[POOL_CHANNELS];
	uint32_t n_channels;
	struct pool_list order[ORDER_MAX_]; /* indexes of channel[] */
};

extern const struct conf_key tunneld_keys[];

const char *order_str(unsigned o); /* "web", "ws"; ORDER_MAX_: "channel" */

/* Loads and checks; logs what is wrong. NULL path: the default one, which may be missing. */
int tunneld_conf_load(const char *path, struct tunneld_conf *ret);
/* Names of keys whose change needs a restart, space separated, into w. */
void tunneld_conf_frozen(const struct tunneld_conf *old, const struct tunneld_conf *new, struct wr *w);
/* What only a restart changes stays as it is in old. */
void tunneld_conf_keep(const struct tunneld_conf *old, struct tunneld_conf *new);

#endif
