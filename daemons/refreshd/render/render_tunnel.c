/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/render_impl.h"

#define MESH "ch2"
#define RANK_OTHER 90 /* without a number, or 0, which is what a channel has that nobody named */

/* "ch1" of "ch1" and "ch1-acme": reports go by this name. Empty: no number in it. */
static struct span canonical(const char *id)
{
	size_t n = 2;

	if (strncmp(id, "ch", 2) != 0)
		return span_of(id, 0);
	while (id[n] >= '0' && id[n] <= '9')
		n++;
	return span_of(id, n > 2 && n < 5 && (id[n] == '\0' || id[n] == '-') ? n : 0);
}

static uint32_t rank(const char *name, bool ws)
{
	struct span s = canonical(name);
	uint32_t v = 0;

	if (!ws && strcmp(name, MESH) == 0)
		return 0; /* whole datagrams of the mesh get through where large ones of a WebSocket do not */
	for (size_t i = 2; i < s.n; i++)
		v = v * 10 + (uint32_t)(s.p[i] - '0');
	return v ? v : RANK_OTHER;
}

static bool has_channel(const struct render *r, struct span name)
{
	for (uint32_t i = 0; i < r->n_channels; i++) {
		if (span_is(name, r->channel[i].name))
			return true;
	}
	return false;
}

/* What tunneld takes as a name: it becomes a file's. */
static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return s.n > 0 && s.n < sizeof(((struct render_channel *)0)->name);
}

static void add(struct render *r, const char *id, struct span host, uint16_t port)
{
	struct render_channel *ch = &r->channel[r->n_channels];
	struct span name = canonical(id);

	if (name.n == 0 || has_channel(r, name))
		name = span_str(id);
	if (!is_name(name))
		render_fail(r, ERR_MALFORMED, "channels",
			    " has an id that is not of a-z, 0-9, '-' and '_'; ask central's admin to correct it");
	else if (has_channel(r, name))
		render_fail(r, ERR_MALFORMED, "channels", " has one id twice; ask central's admin to correct it");
	else if (r->n_channels == RENDER_CHANNELS_MAX)
		render_fail(r, ERR_LIMIT, "channels", " has more tcp channels than the 6 there is room for");
	else if (addr_parse(host, &ch->at) < 0 || ch->at.port || addr_is_any(&ch->at))
		render_fail(r, ERR_MALFORMED, "channels",
			    " has a tcp channel whose host is no IP address; ask central's admin to correct it");
	if (r->err)
		return;
	ch->at.port = port;
	memcpy(ch->name, name.p, name.n);
	ch->name[name.n] = '\0';
	r->n_channels++;
}

static void leave_out(struct wr *w, const char *id, const char *protocol)
{
	wr_str(w, wr_len(w) ? ", " : "");
	wr_str(w, id);
	wr_str(w, " (");
	wr_str(w, protocol[0] ? protocol : "no protocol");
	wr_str(w, ")");
}

/* Flat members that describe a channel which no element of channels[] does. */
static void leave_out_flat(const struct node *n, struct wr *w)
{
	bool reality = false, hysteria2 = false, naive = false;

	for (uint32_t i = 0; i < n->n_channels; i++) {
		reality |= n->channel[i].kind == CHANNEL_REALITY;
		hysteria2 |= n->channel[i].kind == CHANNEL_HYSTERIA2;
		naive |= n->channel[i].kind == CHANNEL_NAIVE;
	}
	if (!reality && n->n_channels == 0)
		leave_out(w, "ch1", "vless-reality");
	if (!hysteria2 && n->hysteria2_server[0])
		leave_out(w, "ch3", "hysteria2");
	if (!naive && n->naive_server[0])
		leave_out(w, "ch5", "naive");
}

void render_channels(struct render *r)
{
	const struct node *n = r->in->node;
	struct wr out = wr_from(r->left_out, sizeof(r->left_out) - 1);
	struct span mesh = text_without_length(span_str(n->awg.motherly_awg_ip));

	for (uint32_t i = 0; i < n->n_channels && r->err == 0; i++) {
		const struct node_channel *ch = &n->channel[i];

		if (ch->kind == CHANNEL_TCP)
			add(r, ch->id, span_str(ch->host), ch->port);
		else if (!text_fits(TEXT_ID, span_str(ch->id)) || (ch->protocol[0] && !text_fits(TEXT_ID, span_str(ch->protocol))))
			render_fail(r, ERR_MALFORMED, "channels", " has an id or protocol that is no word");
		else
			leave_out(&out, ch->id, ch->protocol);
	}
	if (r->err == 0 && n->awg.allocated_ip[0] && mesh.n && !has_channel(r, SPAN_LIT(MESH)))
		add(r, MESH, mesh, r->in->local->backend_port);
	leave_out_flat(n, &out);
	r->left_out[wr_len(&out)] = '\0';
}

void render_order(const struct render *r, bool ws, struct wr *w)
{
	bool done[RENDER_CHANNELS_MAX] = { false };

	for (uint32_t k = 0; k < r->n_channels; k++) {
		uint32_t best = r->n_channels;

		for (uint32_t i = 0; i < r->n_channels; i++) {
			if (!done[i] && (best == r->n_channels || rank(r->channel[i].name, ws) < rank(r->channel[best].name, ws)))
				best = i;
		}
		done[best] = true;
		wr_str(w, k ? " " : "");
		wr_str(w, r->channel[best].name);
	}
}

static void one_order(struct render *r, const char *key, bool ws)
{
	char names[RENDER_VALUE_MAX + 1];
	struct wr w = wr_from(names, sizeof(names) - 1);

	render_order(r, ws, &w);
	names[wr_len(&w)] = '\0';
	render_key(r, "channels", key, names);
}

void render_tunneld(struct render *r)
{
	char section[] = "Channel1";

	wr_str(r->w, "# Written by refreshd. Own settings belong into tunneld.conf.d/*.conf, which nobody overwrites.\n");
	if (r->left_out[0]) {
		wr_str(r->w, "# Channels that this build does not carry: ");
		wr_str(r->w, r->left_out);
		wr_str(r->w, ".\n");
	}
	render_section(r, "Pool");
	render_key(r, "", "Web", RENDER_RUN "/web");
	render_key(r, "", "Ws", RENDER_RUN "/ws");
	if (r->n_channels) {
		one_order(r, "WebOrder", false);
		one_order(r, "WsOrder", true);
	}
	render_key(r, "BACKEND_HOST", "HealthHost", r->in->local->backend_host);
	for (uint32_t i = 0; i < r->n_channels; i++) {
		section[7] = (char)('1' + i);
		render_section(r, section);
		render_key(r, "channels", "Name", r->channel[i].name);
		render_key(r, "", "Type", "tcp");
		render_key_addr(r, "Address", &r->channel[i].at, r->channel[i].at.port);
	}
}
