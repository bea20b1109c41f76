/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include "base/slab.h"
#include "rig.h"
#include "sys/varlink.h"
#include "sys/varlink_client.h"

/* A service of ours, and one that answers whatever a test wants. */
struct fake {
	struct rig rig;
	struct varlink *v;
	char path[108];
	int lfd, fd;
	struct watch *w;
	const char *reply; /* of the fake: sent when something came; NULL: nothing */
	size_t reply_n;
	bool hang_up; /* after the reply */
	bool no_read; /* leaves the request where it is */
	char got[70000];
	size_t got_n;
	unsigned answers; /* what the client was told */
	int r, params;
	char error[128], text[128];
	struct varlink_ask *ask;
	bool no_doc;
};

static void on_echo(struct varlink_call *c, void *arg)
{
	struct json_out *o;
	const struct json *j;
	char text[64];
	size_t n;
	int at;

	(void)arg;
	j = varlink_params(c, &at);
	if (json_get_str(j, at, "text", text, sizeof(text), &n) < 0) {
		varlink_error(c, "org.varlink.service.InvalidParameter", "parameter", "text");
		return;
	}
	o = varlink_reply(c);
	jo_key(o, "text");
	jo_str(o, span_of(text, n));
	varlink_reply_end(c);
}

/* 900 KiB of 100,000 tokens. */
static void on_big(struct varlink_call *c, void *arg)
{
	struct json_out *o = varlink_reply(c);

	(void)arg;
	jo_key(o, "text");
	jo_str(o, SPAN_LIT("big"));
	jo_key(o, "n");
	jo_arr(o);
	for (int i = 0; i < 100 * 1000; i++)
		jo_u64(o, 12345678);
	jo_arr_end(o);
	varlink_reply_end(c);
}

static const struct varlink_method methods[] = {
	{ "io.oxpulse.Test.Echo", ROLE_ANY, VARLINK_MSG_MAX, on_echo },
	{ "io.oxpulse.Test.Big", ROLE_ANY, 256, on_big },
	{ "io.oxpulse.Test.Admin", ROLE_HEALTH, 256, on_echo },
	{ NULL, 0, 0, NULL },
};

static void on_fake(int fd, unsigned events, void *arg)
{
	struct fake *f = arg;
	ssize_t n;

	(void)events;
	if (f->fd < 0) {
		f->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		loop_unwatch(f->w);
		f->w = loop_watch(f->rig.l, f->fd, LOOP_READ, on_fake, f);
		return;
	}
	if (!f->no_read) {
		n = recv(fd, f->got + f->got_n, sizeof(f->got) - f->got_n, MSG_DONTWAIT);
		if (n > 0)
			f->got_n += (size_t)n;
		if (f->got_n == 0 || f->got[f->got_n - 1] != '\0')
			return;
	}
	loop_unwatch(f->w);
	f->w = NULL;
	fcntl(fd, F_SETFL, 0);
	if (f->reply && send(fd, f->reply, f->reply_n, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		t_fail(__FILE__, __LINE__, "send");
	if (f->hang_up) {
		close(fd);
		f->fd = -1;
	}
}

static void start(struct fake *f)
{
	static const char *const interfaces[] = { "interface io.oxpulse.Test\n", NULL };
	const struct varlink_conf c = { .methods = methods, .interfaces = interfaces };

	memset(f, 0, sizeof(*f));
	f->lfd = f->fd = -1;
	rig_open(&f->rig);
	EQ(varlink_open(f->rig.l, rig_path(&f->rig, "testd", f->path), -1, &c, &f->v), 0);
}

/* In place of the service. The fake never blocks: replies of these tests fit a socket's buffer, or are sent by a thread. */
static void start_fake(struct fake *f, const char *reply, size_t n, bool hang_up)
{
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->reply = reply;
	f->reply_n = n;
	f->hang_up = hang_up;
	rig_open(&f->rig);
	f->lfd = sock_listen_unix(rig_path(&f->rig, "fake", f->path), 0600);
	f->w = loop_watch(f->rig.l, f->lfd, LOOP_READ, on_fake, f);
}

static void finish(struct fake *f)
{
	varlink_close(f->v);
	loop_unwatch(f->w);
	if (f->fd >= 0)
		close(f->fd);
	if (f->lfd >= 0)
		close(f->lfd);
	rig_close(&f->rig);
}

static void on_answer(const struct varlink_answer *a, void *arg)
{
	struct fake *f = arg;

	f->answers++;
	f->r = a->r;
	f->params = a->params;
	f->no_doc = !a->doc;
	snprintf(f->error, sizeof(f->error), "%s", a->error);
	f->text[0] = '\0';
	if (a->doc) {
		EQ(json_type_of(a->doc, a->params), JSON_OBJECT);
		(void)json_get_str(a->doc, a->params, "text", f->text, sizeof(f->text), NULL);
	}
	varlink_ask_cancel(f->ask); /* its own: nothing happens */
	f->ask = NULL;
}

static bool answered(void *arg)
{
	return ((struct fake *)arg)->answers != 0;
}

static void ask(struct fake *f, const char *method, const char *params, uint64_t timeout_us)
{
	f->answers = 0;
	EQ(varlink_ask(f->rig.l, f->path, method, span_str(params), timeout_us, on_answer, f, &f->ask), 0);
	EQ(f->answers, 0); /* never at once */
	OK(rig_run(&f->rig, answered, f));
	EQ(f->answers, 1);
}

/* A reply, an error with a name, and the errors of the protocol itself reach the caller, one call after the other. */
static void answers_of_our_own_services(void)
{
	static char long_text[VARLINK_MSG_MAX + 64];
	static struct fake f;

	start(&f);
	ask(&f, "io.oxpulse.Test.Echo", "{\"text\":\"hello\"}", DUR_SEC(10));
	EQ(f.r, 0);
	EQ_STR(f.error, "");
	EQ_STR(f.text, "hello");
	ask(&f, "io.oxpulse.Test.Echo", "", DUR_SEC(10));
	EQ(f.r, ERR_UNEXPECTED);
	EQ_STR(f.error, "org.varlink.service.InvalidParameter");
	ask(&f, "io.oxpulse.Test.Admin", "", DUR_SEC(10));
	EQ_STR(f.error, "org.varlink.service.PermissionDenied");
	ask(&f, "io.oxpulse.Nobody.Knows", "{}", DUR_SEC(10));
	EQ_STR(f.error, "org.varlink.service.InterfaceNotFound");
	ask(&f, "io.oxpulse.Test.Big", "{}", DUR_SEC(10));
	EQ(f.r, 0);
	EQ_STR(f.text, "big");
	/* The service closes on what it does not take; what it would never take is not even sent. */
	ask(&f, "io.oxpulse.Test.Echo", "{\"text\":}", DUR_SEC(10));
	EQ(f.r, ERR_SHORT);
	EQ(varlink_refused(f.v), 1);
	snprintf(long_text, sizeof(long_text), "{\"text\":\"%065535d\"}", 1);
	ask(&f, "io.oxpulse.Test.Echo", long_text, DUR_SEC(10));
	EQ(f.r, ERR_LIMIT);
	OK(f.no_doc);
	EQ(f.params, -1);
	EQ(varlink_refused(f.v), 1);
	finish(&f);
}

/* What the other end may answer, and what the caller is told. */
static void garbage_ends_the_call(void)
{
#define ROW(row, text, hang_up, want, error) { row, text, sizeof(text) - 1, hang_up, want, error }
	const struct {
		const char *row, *text;
		size_t n;
		bool hang_up;
		int want;
		const char *error;
	} rows[] = {
		ROW("empty parameters: ", "{\"parameters\":{}}\0", false, 0, ""),
		ROW("no parameters: ", "{}\0", false, 0, ""),
		ROW("null parameters: ", "{\"parameters\":null}\0", false, 0, ""),
		ROW("and closed: ", "{\"parameters\":{}}\0", true, 0, ""),
		ROW("last of one: ", "{\"parameters\":{},\"continues\":false}\0", false, 0, ""),
		ROW("unknown member: ", "{\"parameters\":{},\"x\":[1]}\0", false, 0, ""),
		ROW("error: ", "{\"error\":\"a.b.C\",\"parameters\":{\"x\":1}}\0", false, ERR_UNEXPECTED, "a.b.C"),
		ROW("error without parameters: ", "{\"error\":\"a.b.C\"}\0", false, ERR_UNEXPECTED, "a.b.C"),
		ROW("closed at once: ", "", true, ERR_SHORT, ""),
		ROW("closed inside: ", "{\"parameters\":", true, ERR_SHORT, ""),
		ROW("no NUL: ", "{\"parameters\":{}}", true, ERR_SHORT, ""),
		ROW("nothing but NUL: ", "\0", false, ERR_MALFORMED, ""),
		ROW("not JSON: ", "HTTP/1.1 200 OK\r\n\0", false, ERR_MALFORMED, ""),
		ROW("no object: ", "[]\0", false, ERR_MALFORMED, ""),
		ROW("parameters of another type: ", "{\"parameters\":[]}\0", false, ERR_MALFORMED, ""),
		ROW("error of another type: ", "{\"error\":1}\0", false, ERR_MALFORMED, ""),
		ROW("empty error: ", "{\"error\":\"\"}\0", false, ERR_MALFORMED, ""),
		ROW("one of several: ", "{\"parameters\":{},\"continues\":true}\0", false, ERR_MALFORMED, ""),
		ROW("continues of another type: ", "{\"continues\":1}\0", false, ERR_MALFORMED, ""),
		ROW("two replies: ", "{}\0{}\0", false, ERR_MALFORMED, ""),
		ROW("bytes after it: ", "{}\0x", false, ERR_MALFORMED, ""),
		ROW("too deep: ", "{\"parameters\":{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}}\0", false, ERR_LIMIT, ""),
		ROW("error name of 128 bytes: ",
		    "{\"error\":\"a.b.Cxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\0",
		    false, ERR_LIMIT, ""),
	};
#undef ROW
	static struct fake f;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		start_fake(&f, rows[i].text, rows[i].n, rows[i].hang_up);
		ask(&f, "io.oxpulse.Test.Do", "{\"a\":1}", DUR_SEC(10));
		EQ(f.r, rows[i].want);
		EQ_STR(f.error, rows[i].error);
		EQ(f.no_doc, rows[i].want != 0 && rows[i].want != ERR_UNEXPECTED);
		EQ_STR(f.got, "{\"method\":\"io.oxpulse.Test.Do\",\"parameters\":{\"a\":1}}");
		finish(&f);
	}
}

/* Sends a flood from a process of its own, so that nobody waits for anybody. */
static pid_t flood(const char *path, const char *begin, char byte, size_t n)
{
	int lfd = sock_listen_unix(path, 0600);
	pid_t pid = fork();
	char *text;
	int fd;

	if (pid != 0) {
		close(lfd);
		return pid;
	}
	text = malloc(n);
	fcntl(lfd, F_SETFL, 0);
	fd = accept(lfd, NULL, NULL);
	if (!text || fd < 0)
		_exit(1);
	memset(text, byte, n);
	memcpy(text, begin, strlen(begin));
	for (size_t at = 0; at < n;) {
		ssize_t got = send(fd, text + at, n - at, MSG_NOSIGNAL);

		if (got < 0)
			_exit(0);
		at += (size_t)got;
	}
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, text, 1, 0) > 0)
		;
	_exit(0);
}

/* A reply without end is not kept; neither is one of more tokens than any reply of ours has. */
static void oversized_replies_are_limits(void)
{
	const struct {
		const char *row, *begin;
		char byte;
		size_t n;
		int want;
	} rows[] = {
		{ "one string for ever: ", "{\"parameters\":{\"x\":\"", 'x', 4 * 1024 * 1024, ERR_LIMIT },
		{ "exactly full, then closed: ", "{\"parameters\":{\"x\":\"", 'x', VARLINK_REPLY_MAX, ERR_SHORT },
		{ "one more: ", "{\"parameters\":{\"x\":\"", 'x', VARLINK_REPLY_MAX + 1, ERR_LIMIT },
	};
	static char commas[200 * 1000];
	static struct fake f;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		start_fake(&f, NULL, 0, false);
		loop_unwatch(f.w);
		f.w = NULL;
		rig_path(&f.rig, "flood", f.path);
		flood(f.path, rows[i].begin, rows[i].byte, rows[i].n);
		ask(&f, "io.oxpulse.Test.Do", "", DUR_SEC(20));
		EQ(f.r, rows[i].want);
		finish(&f);
	}
	t_row = "tokens: ";
	memset(commas, ',', sizeof(commas));
	commas[0] = '[';
	commas[sizeof(commas) - 1] = '\0';
	start_fake(&f, commas, sizeof(commas), true);
	ask(&f, "io.oxpulse.Test.Do", "", DUR_SEC(20));
	EQ(f.r, ERR_LIMIT);
	finish(&f);
}

/* Nobody listens: an answer like any other, from the loop. */
static void nobody_listens(void)
{
	char long_path[200] = "";
	static struct fake f;
	int fd;

	start(&f);
	rig_path(&f.rig, "none", f.path);
	ask(&f, "io.oxpulse.Test.Do", "", DUR_SEC(10));
	EQ(f.r, -ENOENT);
	rig_path(&f.rig, "file", f.path);
	fd = open(f.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	ask(&f, "io.oxpulse.Test.Do", "", DUR_SEC(10));
	EQ(f.r, -ECONNREFUSED);
	memset(long_path, 'x', sizeof(long_path) - 1);
	EQ(varlink_ask_wait(long_path, "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f), -ENAMETOOLONG);
	finish(&f);
}

/* A service that says nothing costs the time it was given, whether it reads or not, and whether a part of the reply came. */
static void a_hanging_service_costs_its_time(void)
{
	static struct fake f;

	start_fake(&f, NULL, 0, false);
	ask(&f, "io.oxpulse.Test.Do", "", DUR_MS(50));
	EQ(f.r, -ETIMEDOUT);
	OK(f.no_doc);
	finish(&f);
	start_fake(&f, "{\"para", 6, false);
	ask(&f, "io.oxpulse.Test.Do", "", DUR_MS(50));
	EQ(f.r, -ETIMEDOUT);
	finish(&f);
	t_row = "accepts nobody: ";
	start_fake(&f, NULL, 0, false);
	loop_unwatch(f.w);
	f.w = NULL;
	ask(&f, "io.oxpulse.Test.Do", "", DUR_MS(50));
	EQ(f.r, -ETIMEDOUT);
	finish(&f);
}

static bool fake_closed(void *arg)
{
	struct fake *f = arg;
	char byte;

	return f->fd >= 0 && f->got_n && recv(f->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool got_request(void *arg)
{
	return ((struct fake *)arg)->got_n != 0;
}

/* A call that was cancelled tells nobody anything and leaves. */
static void cancel_in_flight(void)
{
	static struct fake f;

	start_fake(&f, NULL, 0, false);
	varlink_ask_cancel(NULL);
	EQ(varlink_ask(f.rig.l, "/nowhere/at/all", "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f, &f.ask), 0);
	varlink_ask_cancel(f.ask); /* with its answer known already */
	EQ(varlink_ask(f.rig.l, f.path, "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f, &f.ask), 0);
	OK(rig_run(&f.rig, got_request, &f));
	varlink_ask_cancel(f.ask);
	f.ask = NULL;
	OK(rig_run(&f.rig, fake_closed, &f));
	EQ(f.answers, 0);
	finish(&f);
}

/* Parameters may hold credentials: nothing of ours keeps them once they are sent. */
static void the_request_is_wiped(void)
{
	static struct fake f;
	char params[64], marker[9];

	rig_needle(marker);
	start_fake(&f, "{}\0", 3, false);
	snprintf(params, sizeof(params), "{\"key\":\"%s%s%s\"}", marker, marker, marker);
	ask(&f, "io.oxpulse.Test.Do", params, DUR_SEC(10));
	EQ(f.r, 0);
	OK(strstr(f.got, params)); /* not on the heap */
	OK(!rig_heap_has(marker, 8));
	finish(&f);
}

/* Callers without a loop get the same answers. */
static void waiting_for_the_answer(void)
{
	static struct fake f;

	start(&f);
	EQ(varlink_ask_wait("/nowhere/at/all", "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f), -ENOENT);
	EQ(f.answers, 1);
	EQ(f.r, -ENOENT);
	for (size_t i = 0; i < 16; i++) {
		int r;

		f.answers = 0;
		mem_fail_at(i);
		r = varlink_ask_wait("/nowhere/at/all", "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f);
		EQ(r, f.r);
		OK(f.r == -ENOENT || f.r == ERR_NOMEM);
		EQ(f.answers, 1);
	}
	mem_fail_at(SIZE_MAX);
	finish(&f);
	rig_open(&f.rig);
	rig_path(&f.rig, "flood", f.path);
	flood(f.path, "{\"parameters\":{\"text\":\"yes\"}}", '\0', sizeof("{\"parameters\":{\"text\":\"yes\"}}"));
	EQ(varlink_ask_wait(f.path, "io.oxpulse.Test.Do", SPAN_LIT("{}"), DUR_SEC(10), on_answer, &f), 0);
	EQ_STR(f.text, "yes");
	rig_close(&f.rig);
}

/* Each allocation may fail: then the call says so, at once or as its answer. */
static void without_memory(void)
{
	static struct fake f;
	size_t at = 0;

	start(&f);
	for (;; at++) {
		int r;

		f.answers = 0;
		mem_fail_at(at);
		r = varlink_ask(f.rig.l, f.path, "io.oxpulse.Test.Echo", SPAN_LIT("{\"text\":\"x\"}"), DUR_SEC(10), on_answer, &f,
				&f.ask);
		if (r == 0)
			OK(rig_run(&f.rig, answered, &f));
		if (r == 0 && f.r == 0)
			break;
		/* The service, too, is out of memory at times: then it closes. */
		OK(r == ERR_NOMEM || f.r == ERR_NOMEM || f.r == ERR_SHORT);
	}
	mem_fail_at(SIZE_MAX);
	OK(at >= 4);
	finish(&f);
}

T_MAIN(T(answers_of_our_own_services), T(garbage_ends_the_call), T(oversized_replies_are_limits), T(nobody_listens),
       T(a_hanging_service_costs_its_time), T(cancel_in_flight), T(the_request_is_wiped), T(waiting_for_the_answer),
       T(without_memory))
