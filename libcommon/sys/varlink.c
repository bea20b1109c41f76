/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Calls are answered one after the other inside on_data, so one token array and one reply buffer serve all
 * clients, and the order of replies on a connection is the order of its requests (https://varlink.org/Method-Call).
 */
#include "sys/varlink.h"

#include <pwd.h>
#include <unistd.h>

#include "base/slab.h"
#include "sys/stream.h"
#include "sys/varlink_msg.h"

#define TOKENS_MAX 4096
#define REPLY_MAX (1024 * 1024)
#define QUEUE_MAX (4 * REPLY_MAX) /* a client that asks without reading is closed beyond this */

static const char service_idl[] =
	"# The service itself: what it is and what it offers.\n"
	"interface org.varlink.service\n"
	"\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"\n"
	"error MethodNotFound (method: string)\n"
	"\n"
	"error MethodNotImplemented (method: string)\n"
	"\n"
	"error InvalidParameter (parameter: string)\n"
	"\n"
	"error PermissionDenied ()\n";

struct client {
	struct client *next;
	struct varlink *v;
	struct stream *s;
	unsigned roles;
};

struct varlink {
	struct varlink_conf conf;
	struct stream_listener *listener;
	struct client *clients;
	struct json_tok *tok;
	uint8_t *reply;
	uint64_t refused;
	uid_t health_uid, refresh_uid; /* (uid_t)-1: nobody */
	struct client *current; /* whose handler is on the stack: must outlive its stream's on_close */
	bool dead;
};

struct varlink_call {
	struct client *client;
	const struct varlink_msg *msg;
	struct wr w;
	struct json_out out;
	bool begun, done;
};

static const struct json_tok empty_tok = { .type = JSON_OBJECT, .at = 0, .len = 2, .skip = 1, .children = 0 };
static const struct json empty_params = { .text = { (const uint8_t *)"{}", 2 }, .tok = &empty_tok, .n = 1 };

const struct json *varlink_params(const struct varlink_call *c, int *ret_at)
{
	*ret_at = c->msg->params < 0 ? 0 : c->msg->params;
	return c->msg->params < 0 ? &empty_params : &c->msg->doc;
}

static void begin(struct varlink_call *c)
{
	c->w = wr_from(c->client->v->reply, REPLY_MAX);
	c->out = json_out(&c->w);
	c->begun = true;
	jo_obj(&c->out);
}

static void send_reply(struct varlink_call *c)
{
	c->done = true;
	if (!c->msg->oneway && !c->w.bad)
		stream_write(c->client->s, wr_span_of(&c->w));
}

struct json_out *varlink_reply(struct varlink_call *c)
{
	begin(c);
	jo_key(&c->out, "parameters");
	jo_obj(&c->out);
	return &c->out;
}

void varlink_reply_end(struct varlink_call *c)
{
	if (c->done || !c->begun)
		return;
	jo_obj_end(&c->out);
	jo_obj_end(&c->out);
	wr_u8(&c->w, 0);
	if (c->w.bad)
		varlink_error(c, "io.oxpulse.Edge.ReplyTooLarge", NULL, NULL);
	else
		send_reply(c);
}

void varlink_error(struct varlink_call *c, const char *error, const char *name, const char *value)
{
	if (c->done)
		return;
	begin(c);
	jo_key(&c->out, "error");
	jo_str(&c->out, span_str(error));
	jo_key(&c->out, "parameters");
	jo_obj(&c->out);
	if (name) {
		jo_key(&c->out, name);
		jo_str(&c->out, span_str(value));
	}
	jo_obj_end(&c->out);
	jo_obj_end(&c->out);
	wr_u8(&c->w, 0);
	send_reply(c);
}

/* The name after the keyword "interface" of a description; comments may come first. */
static struct span idl_name(const char *idl)
{
	static const char word[] = "interface ";

	while (*idl == '#' || *idl == '\n' || *idl == ' ' || *idl == '\t')
		idl += *idl == '#' ? strcspn(idl, "\n") : 1;
	if (strncmp(idl, word, sizeof(word) - 1) != 0)
		return (struct span){ 0 };
	idl += sizeof(word) - 1;
	idl += strspn(idl, " \t");
	return span_of(idl, strcspn(idl, " \t\r\n#"));
}

static const char *find_idl(const struct varlink *v, struct span name)
{
	if (span_eq(name, idl_name(service_idl)))
		return service_idl;
	for (const char *const *idl = v->conf.interfaces; idl && *idl; idl++)
		if (span_eq(name, idl_name(*idl)))
			return *idl;
	return NULL;
}

static void text_member(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value ? value : ""));
}

static void on_get_info(struct varlink_call *c, void *arg)
{
	const struct varlink *v = c->client->v;
	struct json_out *o = varlink_reply(c);

	(void)arg;
	text_member(o, "vendor", v->conf.vendor);
	text_member(o, "product", v->conf.product);
	text_member(o, "version", v->conf.version);
	text_member(o, "url", v->conf.url);
	jo_key(o, "interfaces");
	jo_arr(o);
	jo_str(o, idl_name(service_idl));
	for (const char *const *idl = v->conf.interfaces; idl && *idl; idl++)
		jo_str(o, idl_name(*idl));
	jo_arr_end(o);
	varlink_reply_end(c);
}

static void on_get_description(struct varlink_call *c, void *arg)
{
	char name[VARLINK_METHOD_MAX];
	const struct json *j;
	const char *idl;
	size_t n;
	int at;

	(void)arg;
	j = varlink_params(c, &at);
	if (json_get_str(j, at, "interface", name, sizeof(name), &n) < 0) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "interface");
		return;
	}
	idl = find_idl(c->client->v, span_of(name, n));
	if (!idl) {
		varlink_error(c, "org.varlink.service.InterfaceNotFound", "interface", name);
		return;
	}
	text_member(varlink_reply(c), "description", idl);
	varlink_reply_end(c);
}

static const struct varlink_method service_methods[] = {
	{ "org.varlink.service.GetInfo", ROLE_ANY, 1024, on_get_info },
	{ "org.varlink.service.GetInterfaceDescription", ROLE_ANY, 1024, on_get_description },
	{ NULL, 0, 0, NULL },
};

static const struct varlink_method *find_method(const struct varlink_method *m, const char *name)
{
	for (; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

static void not_found(struct varlink_call *c)
{
	char interface[VARLINK_METHOD_MAX];
	size_t n = c->msg->interface_n;

	memcpy(interface, c->msg->method, n);
	interface[n] = '\0';
	if (find_idl(c->client->v, span_of(interface, n)))
		varlink_error(c, "org.varlink.service.MethodNotFound", "method", c->msg->method);
	else
		varlink_error(c, "org.varlink.service.InterfaceNotFound", "interface", interface);
}

/* One message without its NUL. Negative: this client is to be closed. */
static int serve(struct client *cl, struct span text)
{
	struct varlink *v = cl->v;
	const struct varlink_method *m;
	struct varlink_msg msg;
	struct varlink_call c = { .client = cl, .msg = &msg };
	int r;

	r = varlink_parse(text, v->tok, TOKENS_MAX, &msg);
	if (r < 0)
		return r;
	m = find_method(service_methods, msg.method);
	if (!m)
		m = find_method(v->conf.methods, msg.method);
	if (m && text.n > m->max)
		return ERR_LIMIT;
	if (!m)
		not_found(&c);
	else if ((m->roles & cl->roles) == 0)
		varlink_error(&c, "org.varlink.service.PermissionDenied", NULL, NULL);
	else if (msg.upgrade)
		varlink_error(&c, "org.varlink.service.MethodNotImplemented", "method", msg.method);
	else
		m->fn(&c, v->conf.arg);
	/* A handler that forgot would leave the caller waiting for ever. */
	if (!c.done && !v->dead)
		varlink_error(&c, "org.varlink.service.MethodNotImplemented", "method", msg.method);
	return 0;
}

static void varlink_free(struct varlink *v)
{
	mem_free(v->tok);
	mem_free(v->reply);
	mem_free(v);
}

/* Serves what is complete. Negative: this client is to be closed. */
static int serve_all(struct client *cl, struct span in, size_t *ret_used)
{
	size_t used = 0;

	while (used < in.n) {
		const uint8_t *nul = memchr(in.p + used, 0, in.n - used);
		size_t n = nul ? (size_t)(nul - in.p) - used : in.n - used;
		int r;

		if (n > VARLINK_MSG_MAX)
			return ERR_LIMIT;
		if (!nul)
			break;
		r = serve(cl, span_of(in.p + used, n));
		if (r < 0)
			return r;
		if (cl->v->dead)
			return 0;
		used += n + 1;
	}
	*ret_used = used;
	return 0;
}

static size_t on_data(struct stream *s, struct span in)
{
	struct client *cl = stream_arg(s);
	struct varlink *v = cl->v;
	size_t used = 0;
	int r;

	v->current = cl;
	r = serve_all(cl, in, &used);
	v->current = NULL;
	if (v->dead) { /* varlink_close in a handler left us these two */
		varlink_free(v);
		mem_free(cl);
		return 0;
	}
	if (r < 0) {
		v->refused++;
		stream_close(s, r);
		return 0;
	}
	return used;
}

static void on_close(struct stream *s, int why)
{
	struct client *cl = stream_arg(s);
	struct client **at = &cl->v->clients;

	(void)why;
	while (*at != cl)
		at = &(*at)->next;
	*at = cl->next;
	if (cl != cl->v->current)
		mem_free(cl);
}

static const struct stream_ops ops = { .on_data = on_data, .on_close = on_close };

static unsigned roles_of(const struct varlink *v, uid_t uid)
{
	unsigned roles = ROLE_ANY;

	if (uid == (uid_t)-1) /* no credentials: nobody in particular */
		return roles;
	if (uid == 0 || uid == geteuid())
		roles |= ROLE_ADMIN;
	if (uid == v->health_uid)
		roles |= ROLE_HEALTH;
	if (uid == v->refresh_uid)
		roles |= ROLE_REFRESH;
	return roles;
}

static void *on_accept(struct stream *s, const struct stream_peer *peer, void *arg)
{
	struct varlink *v = arg;
	struct client *cl = mem_alloc(sizeof(*cl));

	if (!cl)
		return NULL;
	cl->v = v;
	cl->s = s;
	cl->roles = roles_of(v, peer->uid);
	cl->next = v->clients;
	v->clients = cl;
	return cl;
}

static uid_t uid_of(const char *user)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (!user || getpwnam_r(user, &pw, buf, sizeof(buf), &found) != 0 || !found)
		return (uid_t)-1;
	return found->pw_uid;
}

int varlink_open(struct loop *l, const char *path, int fd, const struct varlink_conf *c, struct varlink **ret)
{
	struct stream_listen_conf sc = {
		.ops = &ops,
		.limits = { .in_max = VARLINK_MSG_MAX + 1, .out_max = QUEUE_MAX, .wipe = true },
		.max_streams = VARLINK_CLIENTS_MAX,
		.on_accept = on_accept,
	};
	struct varlink *v = mem_alloc(sizeof(*v));
	int r = ERR_NOMEM;

	if (v) {
		v->conf = *c;
		v->tok = mem_alloc(TOKENS_MAX * sizeof(*v->tok));
		v->reply = mem_alloc(REPLY_MAX);
		v->health_uid = uid_of(c->health_user);
		v->refresh_uid = uid_of(c->refresh_user);
	}
	sc.arg = v;
	if (!v || !v->tok || !v->reply) {
		if (fd >= 0)
			close(fd);
	} else if (fd >= 0) {
		r = stream_listen_fd(l, fd, &sc, &v->listener);
	} else {
		r = stream_listen_unix(l, path, 0666, &sc, &v->listener);
	}
	if (r < 0) {
		varlink_close(v);
		return r;
	}
	*ret = v;
	return 0;
}

void varlink_close(struct varlink *v)
{
	if (!v || v->dead)
		return;
	v->dead = true;
	stream_listener_free(v->listener);
	while (v->clients)
		stream_close(v->clients->s, 0);
	if (!v->current)
		varlink_free(v);
}

uint64_t varlink_refused(const struct varlink *v)
{
	return v->refused;
}
