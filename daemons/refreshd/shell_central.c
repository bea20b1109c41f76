/* SPDX-License-Identifier: AGPL-3.0-only */
/* One request to central. What an answer means is the core's business. */
#include <stdio.h>
#include <stdlib.h>

#include "refreshd/refreshd.h"
#include "sys/http_client.h"

static void on_answer(const struct http_answer *a, void *arg)
{
	struct reply *p = arg;

	p->r = a->r;
	p->status = a->r == 0 ? a->status : 0;
	/* Nothing of the request is sent before the connection, TLS included, is there. */
	p->maybe_sent = a->connect_us != 0;
	snprintf(p->why, sizeof(p->why), "%s", a->why);
	if (a->r == 0 && blob_copy(&p->body, a->body) < 0)
		p->r = ERR_NOMEM;
}

void central_ask(const struct refreshd *d, const struct ask *q, struct reply *ret)
{
	uint64_t timeout = d->patience && d->patience < q->timeout_us ? d->patience : q->timeout_us;
	char url[512];
	struct http_ask h = {
		.method = q->method,
		.url = url,
		.header = { "X-Installer-Version: " EDGE_VERSION, q->header },
		.bearer = q->bearer,
		.body = q->body,
		.ca_file = d->local.central_ca[0] ? d->local.central_ca : NULL,
		.reply_max = q->reply_max,
		.follow = q->follow,
		.timeout_us = timeout,
		.connect_us = timeout < DUR_SEC(5) ? timeout : DUR_SEC(5),
	};
	int r;

	*ret = (struct reply){ .r = ERR_LIMIT };
	if ((size_t)snprintf(url, sizeof(url), "%s%s", d->local.central_url, q->path) >= sizeof(url)) {
		snprintf(ret->why, sizeof(ret->why), "the URL of central is too long");
		return;
	}
	r = http_ask_wait(&h, on_answer, ret);
	if (r < 0 && ret->why[0] == '\0')
		snprintf(ret->why, sizeof(ret->why), "%s", err_str(r));
	if (r < 0)
		ret->r = r;
}

void reply_done(struct reply *p)
{
	blob_done(&p->body);
}

void reply_why(const struct reply *p, const char *what, char why[WHY_MAX])
{
	if (p->r < 0)
		snprintf(why, WHY_MAX, "%s: %.300s", what, p->why);
	else
		snprintf(why, WHY_MAX, "%s: central answered HTTP %d", what, p->status);
}

int service_token(const struct refreshd *d, struct secret *ret)
{
	const char *env = getenv("OXPULSE_SERVICE_TOKEN");
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/token", d->st.etc);

	if (env && *env)
		return secret_set(ret, span_str(env));
	return r < 0 ? r : conf_file_secret(path, ret);
}
