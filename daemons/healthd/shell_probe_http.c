/* SPDX-License-Identifier: AGPL-3.0-only */
/* GET of a URL: an answer with a status of 2xx and the words it must contain; or only a verified TLS handshake. */
#include <errno.h>
#include <stdio.h>

#include "base/slab.h"
#include "healthd/shell_probe_impl.h"

#define REPLY_MAX 65536
#define TEXT_MAX 128

struct http_run {
	struct probe p;
	struct http_call *call;
	bool handshake_only;
	char want[TEXT_MAX], what[TEXT_MAX];
};

static const char *reason_of(const struct http_answer *a)
{
	if (a->timed_out || a->r == -ETIMEDOUT)
		return "timeout";
	switch (a->r) {
	case -ECONNREFUSED:
	case -ENOENT: /* the Unix socket is not there */
		return "refused";
	case ERR_AUTH:
		return "tls";
	case -EHOSTUNREACH:
		return "no-address";
	case ERR_LIMIT:
	case ERR_MALFORMED:
		return "garbage";
	default:
		return "other";
	}
}

static const char *fix_of(const char *reason)
{
	if (strcmp(reason, "tls") == 0)
		return "the certificate must be valid, and for this name: renew it, or see who answers instead of the server";
	if (strcmp(reason, "refused") == 0)
		return "nobody listens there: look at the service that should (systemctl --failed), and at its journal";
	return "look at the journal of the service that answers there, and at the way to what is behind it";
}

static void on_answer(const struct http_answer *a, void *arg)
{
	struct http_run *run = arg;
	struct probe *p = &run->p;

	run->call = NULL;
	p->result.certificate_until = a->certificate_until;
	if (a->r != 0)
		probe_fail(p, reason_of(a), fix_of(reason_of(a)), "%s: %s", run->what, a->why);
	else if (run->handshake_only)
		probe_ok(p, "tls", a->connect_us);
	else if (a->status < 200 || a->status > 299)
		probe_fail(p, "status", fix_of("status"), "%s: answered with status %d instead of 200", run->what, a->status);
	else if (run->want[0] && !memmem(a->body.p, a->body.n, run->want, strlen(run->want)))
		probe_fail(p, "garbage", "somebody else answers there: see which program listens, and what is in front of it",
			   "%s: the answer does not contain \"%s\"", run->what, run->want);
	else
		probe_ok(p, "http", a->total_us);
}

static void tick(struct probe *p, mono_t now)
{
	struct http_run *run = CONTAINER_OF(p, struct http_run, p);

	(void)now;
	probe_fail(p, "timeout", fix_of("timeout"), "%s: no answer within %llu ms", run->what,
		   (unsigned long long)(p->env.timeout_us / US_PER_MS));
}

static void abandon(struct probe *p, mono_t now)
{
	(void)p; /* a GET holds nothing */
	(void)now;
}

static void close_http(struct probe *p)
{
	struct http_run *run = CONTAINER_OF(p, struct http_run, p);

	http_call_cancel(run->call);
}

static const struct probe_kind kind = { tick, abandon, close_http };

int probe_http(const struct probe_env *e, const struct probe_http *q, probe_fn *fn, void *arg, struct probe **ret)
{
	struct http_run *run = probe_new(e, &kind, sizeof(*run), fn, arg);
	struct http_ask ask = q->ask;
	int r;

	if (!run)
		return ERR_NOMEM;
	run->handshake_only = ask.handshake_only;
	snprintf(run->want, sizeof(run->want), "%s", q->want ? q->want : "");
	snprintf(run->what, sizeof(run->what), "%s", q->what ? q->what : "HTTP");
	ask.method = "GET";
	ask.body = (struct span){ 0 };
	ask.connect_us = ask.timeout_us = e->timeout_us;
	ask.reply_max = REPLY_MAX;
	r = http_client_ask(e->http, &ask, on_answer, run, &run->call);
	if (r < 0) {
		probe_drop(&run->p);
		return r;
	}
	if (ret)
		*ret = &run->p;
	return 0;
}
