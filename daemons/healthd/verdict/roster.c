/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/verdict/roster.h"

#include "base/json.h"
#include "base/slab.h"

#define TOKENS (16 * ROSTER_PEERS_MAX)

/* A DNS name (RFC 1123 2.1) of at least two labels, the last of them no number: neither an address nor a local name. */
static bool is_host(const char *s)
{
	const char *last = s;
	size_t label = 0, labels = 1;

	for (const char *c = s; *c; c++) {
		bool alnum = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');

		if (*c == '.') {
			if (label == 0 || c[-1] == '-')
				return false;
			labels++;
			label = 0;
			last = c + 1;
			continue;
		}
		if ((!alnum && *c != '-') || (*c == '-' && label == 0) || ++label > 63)
			return false;
	}
	return labels >= 2 && label > 0 && s[strlen(s) - 1] != '-' && (*last < '0' || *last > '9');
}

static bool is_id(const char *s)
{
	for (const char *c = s; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return false;
	}
	return s[0] != '\0';
}

/* Not a number, or none that is a port: the default. */
static uint16_t port_of(const struct json *j, int at, const char *key, uint16_t dflt)
{
	uint64_t v;

	return json_get_u64(j, at, key, &v) == 0 && v > 0 && v <= UINT16_MAX ? (uint16_t)v : dflt;
}

static bool peer_parse(const struct json *j, int at, struct roster_peer *ret)
{
	if (json_get_str(j, at, "node_id", ret->id, sizeof(ret->id), NULL) < 0 ||
	    json_get_str(j, at, "turns_host", ret->host, sizeof(ret->host), NULL) < 0)
		return false;
	ret->turns_port = port_of(j, at, "turns_port", 443);
	ret->udp_port = port_of(j, at, "udp_port", 3478);
	return is_id(ret->id) && is_host(ret->host);
}

int roster_parse(struct span text, struct roster *ret)
{
	struct json_tok *tok = mem_alloc(TOKENS * sizeof(*tok));
	struct json j;
	int r;

	if (!tok)
		return ERR_NOMEM;
	r = json_parse(text, tok, TOKENS, &j);
	if (r < 0 || json_type_of(&j, 0) != JSON_ARRAY) {
		mem_free(tok);
		return ERR_MALFORMED;
	}
	ret->n = 0;
	ret->refused = 0;
	for (int at = json_first(&j, 0); at >= 0; at = json_next(&j, 0, at)) {
		if (ret->n < ROSTER_PEERS_MAX && peer_parse(&j, at, &ret->peer[ret->n]))
			ret->n++;
		else
			ret->refused++;
	}
	mem_free(tok);
	return 0;
}

uint32_t roster_pick(const struct roster *r, const char *own, uint32_t *offset, const struct roster_peer *ret[ROSTER_PICK])
{
	uint32_t scan = r->n < ROSTER_SCAN ? r->n : ROSTER_SCAN, n = 0;

	for (uint32_t i = 0; i < scan && n < ROSTER_PICK; i++) {
		const struct roster_peer *p = &r->peer[(*offset)++ % r->n];

		if (strcmp(p->id, own) != 0)
			ret[n++] = p;
	}
	if (r->n)
		*offset %= r->n;
	return n;
}
