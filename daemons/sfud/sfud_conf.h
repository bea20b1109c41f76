/* SPDX-License-Identifier: AGPL-3.0-only */
/* sfud's configuration: one immutable struct, filled from the key table, the environment of the existing system
 * and sfud.conf. */
#ifndef SFUD_CONF_H
#define SFUD_CONF_H

#include "base/secret.h"
#include "sfud/room/sfu.h"
#include "wire/conf.h"
#include "wire/jwt.h"

#define SFUD_CONF_PATH "/etc/oxpulse-partner-edge/sfud.conf"

struct sfud_conf {
	/* as written; one field per key */
	uint16_t media_port;
	struct addr media_bind;
	struct conf_addr_list advertise;
	char public_address[CONF_TEXT_MAX], local_address[CONF_TEXT_MAX];
	uint32_t receive_buffer, send_buffer;
	uint16_t signal_port;
	struct addr signal_bind;
	char secret_file[CONF_TEXT_MAX], key_file[CONF_TEXT_MAX];
	bool hs256_fallback;
	uint32_t max_message;
	uint64_t ping;
	uint32_t max_participants, max_rooms;
	uint64_t solo_kick;
	uint32_t bwe_hint_ms;
	uint64_t drain_limit;
	uint16_t metrics_port;
	struct addr metrics_bind;
	char edge_id[CONF_TEXT_MAX];
	char control_socket[CONF_TEXT_MAX], health_user[CONF_TEXT_MAX], refresh_user[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];

	/* derived, checked as a whole */
	struct sfu_conf sfu;
	struct secret secret; /* n = 0: no HS256 key */
	bool has_ed25519;
	uint8_t ed25519[32];
	int level;
};

extern const struct conf_key sfud_keys[];

/* Defaults, environment, the file with its drop-ins, then the checks that need more than one key. path NULL:
 * SFUD_CONF_PATH, which may be missing. Logs what is wrong, with file and line. ERR_MALFORMED, -errno. */
int sfud_conf_load(const char *path, struct sfud_conf *ret);
void sfud_conf_done(struct sfud_conf *c);

/* The verification keys, borrowed from c. */
struct jwt_keys sfud_conf_keys(const struct sfud_conf *c);

/* Keys that differ and can only change with a restart: writes their names, space separated, into w. */
void sfud_conf_frozen(const struct sfud_conf *old, const struct sfud_conf *new, struct wr *w);

#endif
