/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/render/render_impl.h"
#include "refreshd/render/template.h"

#define VALUES_MAX 4096

static void value(struct wr *w, const char *name, const char *text)
{
	wr_str(w, name);
	wr_str(w, "=");
	wr_str(w, text);
	wr_str(w, "\n");
}

void render_front(struct render *r)
{
	char text[VALUES_MAX];
	struct wr w = wr_from(text, sizeof(text));
	struct template_values values[3] = { { "front.values", r->in->front_values }, { "node.values", r->in->node_values } };
	int err;

	value(&w, "DOMAIN", r->domain);
	value(&w, "TURNS_NAME", r->turns_name);
	value(&w, "UPSTREAM_HOST", r->in->local->backend_host);
	values[2] = (struct template_values){ "this node's values", wr_span_of(&w) };
	err = template_fill(r->in->front_template, values, ARRAY_LEN(values), r->in->nginx_version, r->in->ipv6, r->w, r->diag);
	if (r->err == 0)
		r->err = err;
}
