/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/shell_leg.h"

#include <stdio.h>

#include "base/err.h"
#include "base/slab.h"
#include "healthd/probe/tls_client_mem.h"
#include "sys/outbound.h"

#define WIRE_IN_MAX 65536 /* bytes of TLS records that wait: they never do */

struct leg {
	struct outbound *out;
	struct tls_client *tls; /* NULL: plain */
	const struct leg_ops *ops;
	void *arg;
	bool open, closed;
	size_t n, cap;          /* plain bytes of TLS nobody has used yet */
	uint8_t *plain;
};

static void end(struct leg *g, int r, const char *why)
{
	struct leg_end e = { .r = r };

	if (g->closed)
		return;
	g->closed = true;
	snprintf(e.why, sizeof(e.why), "%s", why);
	g->ops->closed(g->arg, &e);
}

static void flush_tls(struct leg *g)
{
	uint8_t buf[4096];
	size_t n;

	while ((n = tls_client_output(g->tls, buf, sizeof(buf))))
		outbound_send(g->out, span_of(buf, n));
}

static void use_plain(struct leg *g)
{
	size_t got, used;

	while (!g->closed && (got = tls_client_read(g->tls, g->plain + g->n, g->cap - g->n))) {
		g->n += got;
		used = g->ops->data(g->arg, span_of(g->plain, g->n));
		used = used < g->n ? used : g->n;
		g->n -= used;
		memmove(g->plain, g->plain + used, g->n);
		if (g->n == g->cap)
			end(g, ERR_LIMIT, "more came than was asked for");
	}
}

static void on_records(struct leg *g, struct span in)
{
	(void)tls_client_input(g->tls, in);
	flush_tls(g);
	if (!g->open && tls_client_state(g->tls) == TLS_CLIENT_OPEN) {
		g->open = true;
		g->ops->open(g->arg);
	}
	use_plain(g);
	flush_tls(g);
	if (tls_client_state(g->tls) == TLS_CLIENT_FAILED)
		end(g, ERR_AUTH, tls_client_why(g->tls));
	else if (tls_client_state(g->tls) == TLS_CLIENT_ENDED)
		end(g, 0, "");
}

static void on_open(void *arg)
{
	struct leg *g = arg;

	if (g->tls) {
		flush_tls(g); /* the hello */
		return;
	}
	g->open = true;
	g->ops->open(g->arg);
}

static size_t on_data(void *arg, struct span in)
{
	struct leg *g = arg;

	if (g->closed)
		return in.n;
	if (!g->tls)
		return g->ops->data(g->arg, in);
	on_records(g, in);
	return in.n;
}

static void on_closed(void *arg, int why)
{
	struct leg *g = arg;

	if (g->tls && !g->open && why == 0)
		end(g, ERR_AUTH, "closed during the TLS handshake");
	else
		end(g, why, why < 0 ? err_str(why) : "");
}

static const struct outbound_ops out_ops = { on_open, on_data, on_closed };

static int set_tls(struct leg *g, const struct leg_conf *c)
{
	g->cap = c->in_max;
	g->plain = mem_alloc(g->cap);
	return g->plain ? tls_client_new(c->name, c->ca_file, &g->tls) : ERR_NOMEM;
}

int leg_new(struct loop *l, const struct leg_conf *c, const struct leg_ops *ops, void *arg, struct leg **ret)
{
	struct leg *g = mem_alloc(sizeof(*g));
	int r = g ? 0 : ERR_NOMEM;

	if (r == 0) {
		g->ops = ops;
		g->arg = arg;
		r = c->transport == PROBE_TLS ? set_tls(g, c) : 0;
	}
	if (r == 0 && c->transport == PROBE_UDP)
		r = outbound_udp(l, &c->at, &out_ops, g, &g->out);
	else if (r == 0)
		r = outbound_tcp(l, &c->at, g->tls ? WIRE_IN_MAX : c->in_max, &out_ops, g, &g->out);
	if (r < 0) {
		leg_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

void leg_free(struct leg *g)
{
	if (!g)
		return;
	if (g->tls && g->open && !g->closed) {
		tls_client_end(g->tls);
		flush_tls(g);
	}
	outbound_free(g->out);
	tls_client_free(g->tls);
	mem_free(g->plain);
	mem_free(g);
}

void leg_send(struct leg *g, struct span out)
{
	if (g->closed)
		return;
	if (!g->tls) {
		outbound_send(g->out, out);
		return;
	}
	(void)tls_client_write(g->tls, out); /* before it is open there is nothing to say */
	flush_tls(g);
}

wall_t leg_certificate_until(const struct leg *g)
{
	return g && g->tls ? tls_client_certificate_until(g->tls) : (wall_t){ 0 };
}
