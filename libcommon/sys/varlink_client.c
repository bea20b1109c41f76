/* SPDX-License-Identifier: AGPL-3.0-only */
/* What is known before the loop turns (nobody listens, the request is too long) is told by the timer, so that fn never runs inside
 * varlink_ask. */
#include "sys/varlink_client.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/slab.h"
#include "sys/sock.h"
#include "sys/varlink.h"

#define READ_MIN 4096
#define TOKENS_MAX (1u << 17)
#define ERROR_NAME_MAX 128

struct varlink_ask {
	struct loop *loop;
	struct watch *watch;
	struct timer *timer;
	int fd;
	int early; /* the answer that was known at once */
	uint8_t *out, *in;
	size_t out_n, sent;
	size_t in_n, in_cap;
	varlink_answer_fn *fn;
	void *arg;
	bool telling; /* fn is on the stack */
};

static const struct json_tok empty_tok = { .type = JSON_OBJECT, .at = 0, .len = 2, .skip = 1 };
static const struct json empty_object = { .text = { (const uint8_t *)"{}", 2 }, .tok = &empty_tok, .n = 1 };

static void drop_request(struct varlink_ask *a)
{
	if (a->out)
		wipe(a->out, a->out_n);
	mem_free(a->out);
	a->out = NULL;
	a->out_n = a->sent = 0;
}

static void ask_free(struct varlink_ask *a)
{
	drop_request(a);
	loop_unwatch(a->watch);
	timer_free(a->timer);
	if (a->fd >= 0)
		close(a->fd);
	mem_free(a->in);
	mem_free(a);
}

void varlink_ask_cancel(struct varlink_ask *a)
{
	if (a && !a->telling)
		ask_free(a);
}

static void tell(struct varlink_ask *a, const struct varlink_answer *answer)
{
	/* What the peer still sends must not wake us while fn runs a loop of its own. */
	loop_unwatch(a->watch);
	a->watch = NULL;
	timer_set(a->timer, MONO_NEVER);
	a->telling = true;
	a->fn(answer, a->arg);
	ask_free(a);
}

static void tell_failure(struct varlink_ask *a, int r)
{
	tell(a, &(struct varlink_answer){ .r = r, .error = "", .params = -1 });
}

/* Every token but the root follows one of these. */
static uint32_t tokens_at_most(struct span text)
{
	uint32_t n = 1;

	for (size_t i = 0; i < text.n && n <= TOKENS_MAX; i++)
		n += text.p[i] == '{' || text.p[i] == '[' || text.p[i] == ',' || text.p[i] == ':';
	return n;
}

/* https://varlink.org/Method-Call: a reply is an object with an optional error and optional parameters. `error` has room for
 * ERROR_NAME_MAX bytes. */
static int read_reply(const struct json *j, char *error, struct varlink_answer *ret)
{
	struct varlink_answer a = { .error = error, .doc = j };
	bool more = false;
	int r;

	if (json_type_of(j, 0) != JSON_OBJECT)
		return ERR_MALFORMED;
	r = json_get_bool(j, 0, "continues", &more);
	if ((r < 0 && r != ERR_MISSING) || more) /* we never ask for more than one */
		return ERR_MALFORMED;
	error[0] = '\0';
	r = json_get_str(j, 0, "error", error, ERROR_NAME_MAX, NULL);
	if (r == 0 && error[0] == '\0')
		return ERR_MALFORMED;
	if (r < 0 && r != ERR_MISSING)
		return r;
	a.r = r == 0 ? ERR_UNEXPECTED : 0;
	a.params = json_get(j, 0, "parameters");
	if (a.params < 0 || json_type_of(j, a.params) == JSON_NULL) {
		a.doc = &empty_object;
		a.params = 0;
	}
	if (json_type_of(a.doc, a.params) != JSON_OBJECT)
		return ERR_MALFORMED;
	*ret = a;
	return 0;
}

static void tell_reply(struct varlink_ask *a, struct span text)
{
	uint32_t max = tokens_at_most(text);
	struct json_tok *tok = max > TOKENS_MAX ? NULL : mem_alloc(max * sizeof(*tok));
	struct varlink_answer answer;
	char error[ERROR_NAME_MAX];
	struct json doc;
	int r = tok ? 0 : max > TOKENS_MAX ? ERR_LIMIT : ERR_NOMEM;

	if (r == 0)
		r = json_parse(text, tok, max, &doc);
	if (r == 0)
		r = read_reply(&doc, error, &answer);
	if (r == 0)
		tell(a, &answer);
	else
		tell_failure(a, r);
	mem_free(tok);
}

static int make_room(struct varlink_ask *a)
{
	size_t cap = a->in_cap ? a->in_cap * 2 : READ_MIN;
	uint8_t *in;

	if (a->in_n < a->in_cap)
		return 0;
	if (a->in_n > VARLINK_REPLY_MAX)
		return ERR_LIMIT;
	if (cap > VARLINK_REPLY_MAX + 1) /* the NUL */
		cap = VARLINK_REPLY_MAX + 1;
	in = mem_grow(a->in, a->in_cap, cap);
	if (!in)
		return ERR_NOMEM;
	a->in = in;
	a->in_cap = cap;
	return 0;
}

/* One read. 1: the reply is there; 0: more is to come. */
static int take_some(struct varlink_ask *a)
{
	int r = make_room(a);
	const uint8_t *nul;
	ssize_t got;

	if (r < 0)
		return r;
	got = recv(a->fd, a->in + a->in_n, a->in_cap - a->in_n, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return got == 0 || errno == ECONNRESET ? ERR_SHORT : -errno;
	nul = memchr(a->in + a->in_n, 0, (size_t)got);
	a->in_n += (size_t)got;
	if (!nul)
		return a->in_n > VARLINK_REPLY_MAX ? ERR_LIMIT : 0;
	/* Nothing may follow: we asked once. */
	return nul + 1 == a->in + a->in_n ? 1 : ERR_MALFORMED;
}

static void on_io(int fd, unsigned events, void *arg);

/* Sends what the socket takes and watches for what comes next. A peer that no longer reads may have answered. */
static int send_some(struct varlink_ask *a)
{
	while (a->sent < a->out_n) {
		ssize_t n = send(a->fd, a->out + a->sent, a->out_n - a->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			a->sent = a->out_n;
		else
			a->sent += (size_t)n;
	}
	if (a->sent < a->out_n && a->watch)
		return 0;
	if (a->sent == a->out_n)
		drop_request(a);
	loop_unwatch(a->watch);
	a->watch = loop_watch(a->loop, a->fd, a->out ? LOOP_READ | LOOP_WRITE : LOOP_READ, on_io, a);
	return a->watch ? 0 : ERR_NOMEM;
}

static void on_io(int fd, unsigned events, void *arg)
{
	struct varlink_ask *a = arg;
	int r = 0;

	(void)fd;
	if (events & LOOP_READ)
		r = take_some(a);
	if (r == 0 && (events & LOOP_WRITE) && a->out)
		r = send_some(a);
	if (r == 1)
		tell_reply(a, span_of(a->in, a->in_n - 1));
	else if (r < 0)
		tell_failure(a, r);
}

static void on_timer(void *arg)
{
	struct varlink_ask *a = arg;

	tell_failure(a, a->early ? a->early : -ETIMEDOUT);
}

static int write_request(struct varlink_ask *a, const char *method, struct span params)
{
	size_t cap = strlen(method) * 6 + params.n + 64; /* an escaped byte is six at most */
	struct json_out o;
	struct wr w;

	a->out = mem_alloc(cap);
	if (!a->out)
		return ERR_NOMEM;
	w = wr_from(a->out, cap);
	o = json_out(&w);
	jo_obj(&o);
	jo_key(&o, "method");
	jo_str(&o, span_str(method));
	jo_key(&o, "parameters");
	jo_raw(&o, params.n ? params : SPAN_LIT("{}"));
	jo_obj_end(&o);
	a->out_n = wr_len(&w) + 1;
	wr_u8(&w, 0);
	return w.bad ? ERR_MALFORMED : a->out_n > VARLINK_MSG_MAX ? ERR_LIMIT : 0;
}

/* ERR_NOMEM ends it; everything else is an answer. */
static int begin(struct varlink_ask *a, const char *socket, const char *method, struct span params)
{
	int r = write_request(a, method, params);

	if (r < 0)
		return r;
	a->fd = sock_connect_unix(socket);
	return a->fd < 0 ? a->fd : send_some(a);
}

int varlink_ask(struct loop *l, const char *socket, const char *method, struct span params, uint64_t timeout_us,
		varlink_answer_fn *fn, void *arg, struct varlink_ask **ret)
{
	struct varlink_ask *a = mem_alloc(sizeof(*a));
	int r = ERR_NOMEM;

	if (!a)
		return r;
	a->loop = l;
	a->fd = -1;
	a->fn = fn;
	a->arg = arg;
	a->timer = loop_timer(l, on_timer, a);
	if (a->timer)
		r = begin(a, socket, method, params);
	if (r == ERR_NOMEM) {
		ask_free(a);
		return r;
	}
	a->early = r;
	timer_set(a->timer, r < 0 ? loop_now(l) : mono_add(loop_now(l), timeout_us));
	if (ret)
		*ret = a;
	return 0;
}

struct wait {
	struct loop *loop;
	varlink_answer_fn *fn;
	void *arg;
	int r;
};

static void on_waited(const struct varlink_answer *a, void *arg)
{
	struct wait *w = arg;

	w->r = a->r;
	w->fn(a, w->arg);
	loop_stop(w->loop);
}

int varlink_ask_wait(const char *socket, const char *method, struct span params, uint64_t timeout_us, varlink_answer_fn *fn,
		     void *arg)
{
	CLEANUP(loop_freep) struct loop *l = loop_new();
	struct wait w = { l, fn, arg, 0 };
	struct varlink_ask *ask = NULL;
	int r = l ? varlink_ask(l, socket, method, params, timeout_us, on_waited, &w, &ask) : ERR_NOMEM;

	if (r == 0) {
		r = loop_run(l);
		if (r < 0)
			varlink_ask_cancel(ask);
	}
	if (r < 0)
		fn(&(struct varlink_answer){ .r = r, .error = "", .params = -1 }, arg);
	return r < 0 ? r : w.r;
}
