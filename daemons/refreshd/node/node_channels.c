/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/node_channels.h"

#define WHERE_MAX 32

static const struct {
	const char *protocol, *id; /* of a channel that was given none */
	enum channel_kind kind;
} protocols[] = {
	{ "vless-reality", "ch1", CHANNEL_REALITY },
	{ "hysteria2", "ch3", CHANNEL_HYSTERIA2 },
	{ "naive", "ch0", CHANNEL_NAIVE },
	{ "tcp", "ch0", CHANNEL_TCP },
};

/* The string at `at` in name; "" when it is blank or wrong. */
static void name_read(struct node_in *in, int at, const char *where, char name[NODE_NAME_MAX])
{
	struct wr w = wr_from(name, NODE_NAME_MAX - 1);

	name[0] = '\0';
	if (json_type_of(in->j, at) != JSON_STRING) {
		in_fail(in, ERR_MALFORMED, where, " is not a string");
		return;
	}
	json_unescape(in->j, at, &w);
	if (w.bad || (!text_is_blank(wr_span_of(&w)) && !text_fits(TEXT_NAME, wr_span_of(&w))))
		in_fail(in, ERR_MALFORMED, where, " is not a DNS name");
	else
		name[text_is_blank(wr_span_of(&w)) ? 0 : wr_len(&w)] = '\0';
}

/* r NULL: they are not kept. */
static void names_read(struct node_in *in, int obj, const char *key, struct node_reality *r)
{
	int arr = in_member(in, obj, key, JSON_ARRAY, " is not an array of names");
	char where[64], digits[DEC_MAX], name[NODE_NAME_MAX];
	uint32_t i = 0, n = 0;

	for (int at = json_first(in->j, arr); at >= 0 && in->err == 0; at = json_next(in->j, arr, at)) {
		struct wr w = wr_from(where, sizeof(where) - 1);

		wr_str(&w, key);
		wr_str(&w, "[");
		wr_str(&w, dec_text(i++, digits));
		wr_str(&w, "]");
		where[wr_len(&w)] = '\0';
		name_read(in, at, where, name);
		if (in->err || name[0] == '\0')
			continue;
		if (n == NODE_SNI_MAX)
			in_fail(in, ERR_LIMIT, where, " is beyond the 32 names there is room for");
		else if (r)
			memcpy(r->server_names[n], name, strlen(name) + 1);
		n++;
	}
	if (r && in->err == 0)
		r->n_server_names = n;
}

void node_names_read(struct node_in *in, int obj, const char *key, struct node_reality *ret)
{
	names_read(in, obj, key, ret);
}

void node_names_check(struct node_in *in, int obj, const char *key)
{
	names_read(in, obj, key, NULL);
}

static void read_xray(struct node_in *in, int obj, struct node_reality *r)
{
	in_text(in, obj, "uuid", TEXT_WORD, r->uuid, sizeof(r->uuid));
	in_text(in, obj, "public_key", TEXT_KEY43, r->public_key, sizeof(r->public_key));
	in_text(in, obj, "short_id", TEXT_HEX, r->short_id, sizeof(r->short_id));
	in_text(in, obj, "encryption", TEXT_WORD, r->encryption, sizeof(r->encryption));
	in_text(in, obj, "server_name", TEXT_NAME, r->server_name, sizeof(r->server_name));
	node_names_read(in, obj, "server_names", r);
}

static void read_protocol(struct node_in *in, int at, struct node_channel *ch)
{
	const char *id = "ch0";

	in_text(in, at, "protocol", TEXT_ID, ch->protocol, sizeof(ch->protocol));
	in_text(in, at, "id", TEXT_ID, ch->id, sizeof(ch->id));
	ch->kind = CHANNEL_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (strcmp(ch->protocol, protocols[i].protocol) == 0) {
			ch->kind = protocols[i].kind;
			id = protocols[i].id;
		}
	}
	if (ch->id[0] == '\0')
		memcpy(ch->id, id, strlen(id) + 1);
}

static void read_channel(struct node_in *up, int at, uint32_t i, struct node_channel *ch)
{
	char where[WHERE_MAX], digits[DEC_MAX];
	struct node_in in = *up;
	struct wr w = wr_from(where, sizeof(where) - 1);
	int xray;

	wr_str(&w, "channels[");
	wr_str(&w, dec_text(i, digits));
	wr_str(&w, "].");
	where[wr_len(&w)] = '\0';
	in.where = where;
	if (json_type_of(in.j, at) != JSON_OBJECT)
		in_fail(&in, ERR_MALFORMED, "*", " is not an object");
	read_protocol(&in, at, ch);
	in_text(&in, at, "host", TEXT_HOST, ch->host, sizeof(ch->host));
	in_port(&in, at, "port", 0, &ch->port);
	if (ch->kind == CHANNEL_TCP && (ch->host[0] == '\0' || ch->port == 0))
		in_fail(&in, ERR_MISSING, ch->host[0] ? "port" : "host", " is missing, so a tcp channel leads nowhere");
	xray = in_member(&in, at, "xray", JSON_OBJECT, " is not an object");
	wr_str(&w, "xray.");
	where[wr_len(&w)] = '\0';
	if (xray >= 0)
		read_xray(&in, xray, &ch->reality);
	ch->has_reality = xray >= 0;
	up->err = in.err;
}

static void take(char *to, const char *from, size_t cap)
{
	if (from[0])
		memcpy(to, from, cap);
}

static void override(struct node_reality *to, const struct node_reality *from)
{
	take(to->uuid, from->uuid, sizeof(to->uuid));
	take(to->public_key, from->public_key, sizeof(to->public_key));
	take(to->short_id, from->short_id, sizeof(to->short_id));
	take(to->encryption, from->encryption, sizeof(to->encryption));
	take(to->server_name, from->server_name, sizeof(to->server_name));
	if (from->n_server_names) {
		memcpy(to->server_names, from->server_names, sizeof(to->server_names));
		to->n_server_names = from->n_server_names;
	}
}

void node_channels_read(struct node_in *in, int root, struct node *n)
{
	int arr = in_member(in, root, "channels", JSON_ARRAY, " is not an array");

	for (int at = json_first(in->j, arr); at >= 0 && in->err == 0; at = json_next(in->j, arr, at)) {
		struct node_channel *ch = &n->channel[n->n_channels];

		if (n->n_channels == NODE_CHANNELS_MAX) {
			in_fail(in, ERR_LIMIT, "channels", " has more than the 8 channels there is room for");
			return;
		}
		read_channel(in, at, n->n_channels, ch);
		if (ch->kind == CHANNEL_REALITY && ch->host[0] == '\0') {
			memcpy(ch->host, n->backend_host, sizeof(ch->host));
			ch->port = n->backend_port;
		}
		n->n_channels++;
	}
	if (n->n_channels && n->channel[0].kind == CHANNEL_REALITY)
		override(&n->reality, &n->channel[0].reality);
}
