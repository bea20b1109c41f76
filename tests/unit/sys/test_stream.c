/* SPDX-License-Identifier: AGPL-3.0-only */
#include "t.h"

#include <sys/resource.h>

#include "base/slab.h"
#include "rig.h"
#include "sys/stream.h"

enum act { ECHO, HOARD, LINES, CLOSE, CLOSE_AFTER_WRITE, FINISH, FLOOD, FREE_LISTENER };

/* The owner of every stream of a test: what its handlers do, and what they saw. */
struct owner {
	struct rig rig;
	struct stream_listener *sl;
	struct stream *s;
	enum act act;
	bool refuse, close_in_accept, free_in_accept, write_in_close;
	struct stream_peer peer;
	char got[256], path[108];
	size_t n, max_in, flood;
	unsigned accepted, closed, calls;
	uint64_t linger;
	int why;
};

static size_t take_lines(struct owner *o, struct span in)
{
	size_t used = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '\n')
			continue;
		snprintf(o->got + strlen(o->got), sizeof(o->got) - strlen(o->got), "[%.*s]", (int)(i - used),
			 (const char *)in.p + used);
		used = i + 1;
	}
	return used;
}

static void flood(struct owner *o, struct stream *s)
{
	static uint8_t block[4096];

	for (size_t n = 0; n < o->flood; n += sizeof(block))
		stream_write(s, span_of(block, sizeof(block)));
}

static size_t on_data(struct stream *s, struct span in)
{
	struct owner *o = stream_arg(s);
	unsigned closed = o->closed;

	o->calls++;
	o->max_in = in.n > o->max_in ? in.n : o->max_in;
	switch (o->act) {
	case ECHO:
		stream_write(s, in);
		return in.n;
	case LINES:
		return take_lines(o, in);
	case CLOSE_AFTER_WRITE:
		stream_write(s, in);
		/* fallthrough */
	case CLOSE:
		stream_close(s, -ECANCELED);
		EQ(o->closed, closed + 1); /* before it returned */
		EQ(in.p[0], 'x');	   /* the borrowed bytes live until we return */
		stream_close(s, 0);
		stream_write(s, in);
		stream_finish(s, 0);
		stream_deadline(s, MONO_NEVER);
		return in.n;
	case FINISH:
		flood(o, s);
		stream_finish(s, o->linger);
		stream_write(s, SPAN_LIT("too late"));
		EQ(o->closed, closed);
		return in.n;
	case FLOOD:
		flood(o, s);
		EQ(o->closed, closed); /* deferred: the stream is valid in this turn */
		OK(stream_unsent(s) <= 65536);
		return in.n;
	case FREE_LISTENER:
		stream_listener_free(o->sl);
		o->sl = NULL;
		stream_write(s, in);
		return in.n;
	case HOARD:
	default:
		return 0;
	}
}

static void on_close(struct stream *s, int why)
{
	struct owner *o = stream_arg(s);

	o->closed++;
	o->why = why;
	if (o->write_in_close) {
		stream_write(s, SPAN_LIT("x"));
		stream_close(s, 0);
	}
	o->s = NULL;
}

static void *on_accept(struct stream *s, const struct stream_peer *peer, void *arg)
{
	struct owner *o = arg;

	o->accepted++;
	o->peer = *peer;
	o->s = s;
	if (o->free_in_accept) {
		stream_listener_free(o->sl);
		o->sl = NULL;
	}
	if (o->close_in_accept) {
		stream_close(s, -ECANCELED);
		EQ(o->closed, 0);
	}
	return o->refuse ? NULL : o;
}

static const struct stream_ops ops = { .on_data = on_data, .on_close = on_close };

static struct stream_listen_conf conf_of(struct owner *o)
{
	return (struct stream_listen_conf){
		.ops = &ops,
		.limits = { .in_max = 4096, .out_max = 65536 },
		.max_streams = 2,
		.on_accept = on_accept,
		.arg = o,
	};
}

static void start(struct owner *o, enum act act)
{
	struct stream_listen_conf c = conf_of(o);

	*o = (struct owner){ .act = act };
	rig_open(&o->rig);
	EQ(stream_listen_unix(o->rig.l, rig_path(&o->rig, "s", o->path), 0600, &c, &o->sl), 0);
}

static void finish(struct owner *o)
{
	if (o->s)
		stream_close(o->s, 0);
	stream_listener_free(o->sl);
	rig_close(&o->rig);
}

/* The same over TCP. */
static struct addr start_tcp(struct owner *o, enum act act, size_t out_max)
{
	struct addr at = addr_v4(127, 0, 0, 1, 0);
	struct stream_listen_conf c;

	start(o, act);
	c = conf_of(o);
	c.limits.out_max = out_max;
	stream_listener_free(o->sl);
	EQ(stream_listen_tcp(o->rig.l, &at, &c, &o->sl), 0);
	at = stream_listener_addr(o->sl);
	OK(at.port != 0);
	return at;
}

static void dial(struct owner *o, struct cli *c)
{
	cli_unix(c, o->path);
	cli_listen(c, &o->rig);
}

static bool is_closed(void *arg)
{
	return ((struct owner *)arg)->closed > 0;
}

static bool is_accepted(void *arg)
{
	return ((struct owner *)arg)->accepted > 0;
}

static bool got_five(void *arg)
{
	return ((struct cli *)arg)->n >= 5;
}

/* Over TCP and over a Unix socket bytes arrive and return, the peer is known, and its end of file closes with 0. */
static void echo_and_peer(void)
{
	for (int tcp = 0; tcp < 2; tcp++) {
		struct addr at = { 0 };
		struct owner o;
		struct cli cli;

		t_row = tcp ? "tcp: " : "unix: ";
		if (tcp) {
			at = start_tcp(&o, ECHO, 65536);
			cli_tcp(&cli, &at);
			cli_listen(&cli, &o.rig);
		} else {
			start(&o, ECHO);
			dial(&o, &cli);
		}
		cli_send(&cli, "hello", 5);
		OK(rig_run(&o.rig, got_five, &cli));
		EQ_STR(cli.buf, "hello");
		EQ(o.peer.uid, tcp ? (uid_t)-1 : geteuid());
		EQ(o.peer.pid, tcp ? -1 : getpid());
		OK(addr_same_ip(&o.peer.addr, &at));
		shutdown(cli.fd, SHUT_WR);
		OK(rig_run(&o.rig, is_closed, &o));
		EQ(o.why, 0);
		EQ(o.closed, 1);
		cli_close(&cli);
		finish(&o);
	}
}

struct drip {
	struct owner *o;
	struct cli *cli;
	const char *text;
	size_t at;
};

static bool drip(void *arg)
{
	struct drip *d = arg;

	if (d->o->calls == d->at && d->text[d->at])
		cli_send(d->cli, d->text + d->at++, 1);
	return d->text[d->at] == '\0' && d->o->calls == d->at;
}

/* What on_data leaves is offered again with the bytes that follow, also when they come one by one. */
static void byte_by_byte(void)
{
	struct owner o;
	struct cli cli;
	struct drip d = { &o, &cli, "one\ntwo\n\nrest", 0 };

	start(&o, LINES);
	dial(&o, &cli);
	OK(rig_run(&o.rig, drip, &d));
	EQ_STR(o.got, "[one][two][]");
	EQ(o.max_in, 4);
	cli_close(&cli);
	OK(rig_run(&o.rig, is_closed, &o));
	finish(&o);
}

/* A handler may close its stream: on_close runs before that returns, nothing follows, later calls are harmless. */
static void closing_inside_on_data(void)
{
	const struct {
		const char *row;
		enum act act;
		bool write_in_close;
	} rows[] = {
		{ "close: ", CLOSE, false },
		{ "write and close: ", CLOSE_AFTER_WRITE, false },
		{ "write in on_close: ", CLOSE, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner o;
		struct cli cli;

		t_row = rows[i].row;
		start(&o, rows[i].act);
		o.write_in_close = rows[i].write_in_close;
		dial(&o, &cli);
		cli_send(&cli, "xyz", 3);
		OK(rig_run(&o.rig, cli_eof, &cli));
		EQ(cli.n, 0);
		EQ(o.closed, 1);
		EQ(o.calls, 1);
		EQ(o.why, -ECANCELED);
		cli_close(&cli);
		finish(&o);
	}
}

/* Reading stops at in_max unconsumed bytes, whatever the peer sends. */
static void input_is_bounded(void)
{
	static char big[65536];
	struct owner o;
	struct cli cli;

	start(&o, HOARD);
	dial(&o, &cli);
	fcntl(cli.fd, F_SETFL, O_NONBLOCK);
	while (send(cli.fd, big, sizeof(big), MSG_NOSIGNAL) > 0)
		;
	OK(rig_run(&o.rig, is_accepted, &o));
	stream_deadline(o.s, mono_add(loop_now(o.rig.l), DUR_MS(20)));
	OK(rig_run(&o.rig, is_closed, &o));
	EQ(o.why, -ETIMEDOUT);
	EQ(o.max_in, 4096);
	cli_close(&cli);
	finish(&o);
}

/* A queue beyond out_max closes the stream with ERR_LIMIT, in the next turn; exactly out_max still fits. */
static void output_overrun_closes(void)
{
	const struct {
		const char *row;
		size_t flood;
		int why;
	} rows[] = {
		{ "full: ", 65536, 0 },
		{ "one block more: ", 65536 + 4096, ERR_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner o;
		struct cli cli;

		t_row = rows[i].row;
		start(&o, FLOOD);
		o.flood = rows[i].flood;
		dial(&o, &cli);
		cli_send(&cli, "x", 1);
		shutdown(cli.fd, SHUT_WR);
		OK(rig_run(&o.rig, is_closed, &o));
		EQ(o.why, rows[i].why);
		EQ(o.closed, 1);
		cli_close(&cli);
		finish(&o);
	}
}

/* stream_finish closes with 0 after the last byte; a peer that has half-closed gets the whole answer, too. */
static void all_is_sent_before_the_end(void)
{
	const struct {
		const char *row;
		enum act act;
		size_t flood;
		bool half_close;
	} rows[] = {
		{ "finish: ", FINISH, 65536, false },
		{ "finish with nothing queued: ", FINISH, 0, false },
		{ "half-closed peer: ", FLOOD, 65536, true },
		{ "finish and half-closed: ", FINISH, 65536, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct owner o;
		struct cli cli;

		t_row = rows[i].row;
		start(&o, rows[i].act);
		o.flood = rows[i].flood;
		o.linger = DUR_SEC(10);
		cli_unix(&cli, o.path);
		setsockopt(cli.fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
		cli_listen(&cli, &o.rig);
		cli_send(&cli, "x", 1);
		if (rows[i].half_close)
			shutdown(cli.fd, SHUT_WR);
		OK(rig_run(&o.rig, cli_eof, &cli));
		EQ(cli.n, rows[i].flood);
		EQ(o.closed, 1);
		EQ(o.why, 0);
		cli_close(&cli);
		finish(&o);
	}
}

/* A peer that does not read delays the end by linger_us at most. */
static void linger_is_bounded(void)
{
	struct owner o;
	struct addr at = start_tcp(&o, FINISH, 64 << 20); /* more than the kernel buffers */
	struct cli cli;

	o.flood = 32 << 20;
	o.linger = DUR_MS(10);
	cli_tcp(&cli, &at);
	cli_send(&cli, "x", 1);
	OK(rig_run(&o.rig, is_closed, &o));
	EQ(o.why, -ETIMEDOUT);
	cli_close(&cli);
	finish(&o);
}

/* A stream that was refused by number or by on_accept is closed at once and counted; on_close is not called. */
static void refused_streams_are_counted(void)
{
	struct owner o;
	struct cli cli[3];

	start(&o, ECHO);
	for (int i = 0; i < 3; i++)
		dial(&o, &cli[i]);
	OK(rig_run(&o.rig, cli_eof, &cli[2]));
	EQ(o.accepted, 2);
	EQ(stream_listener_refused(o.sl), 1);
	EQ(o.closed, 0);
	cli_close(&cli[0]);
	OK(rig_run(&o.rig, is_closed, &o));
	cli_close(&cli[2]);
	o.refuse = true;
	dial(&o, &cli[2]); /* there is room again */
	OK(rig_run(&o.rig, cli_eof, &cli[2]));
	EQ(o.accepted, 3);
	EQ(stream_listener_refused(o.sl), 2);
	EQ(o.closed, 1);
	o.s = NULL;
	o.closed = 0;
	cli_close(&cli[1]);
	OK(rig_run(&o.rig, is_closed, &o));
	cli_close(&cli[2]);
	finish(&o);
}

/* Inside on_accept a stream may be closed (later) and the listener freed (now). */
static void on_accept_may_close_and_free(void)
{
	static const char *const row[] = { "-: ", "close: ", "free: ", "both: ", "refuse: ", "5: ", "6: ", "all: " };

	for (int i = 0; i < 8; i++) {
		struct owner o;
		struct cli cli;

		t_row = row[i];
		start(&o, ECHO);
		o.close_in_accept = i & 1;
		o.free_in_accept = i & 2;
		o.refuse = i & 4;
		dial(&o, &cli);
		if (i == 0 || i == 2) {
			cli_send(&cli, "hello", 5);
			OK(rig_run(&o.rig, got_five, &cli));
			stream_close(o.s, 0);
		} else {
			OK(rig_run(&o.rig, cli_eof, &cli));
		}
		EQ(o.closed, i & 4 ? 0 : 1);
		o.s = NULL;
		cli_close(&cli);
		finish(&o);
	}
}

/* Streams outlive their listener. */
static void streams_outlive_the_listener(void)
{
	struct owner o;
	struct cli cli;

	start(&o, FREE_LISTENER);
	dial(&o, &cli);
	cli_send(&cli, "hello", 5);
	OK(rig_run(&o.rig, got_five, &cli));
	OK(!o.sl);
	EQ(o.closed, 0);
	cli_close(&cli);
	OK(rig_run(&o.rig, is_closed, &o));
	finish(&o);
}

/* A stale socket file is replaced; a live one, another kind of file or an impossible path is an error. */
static void unix_paths(void)
{
	struct stream_listener *sl = NULL;
	struct stream_listen_conf c;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char path[108], longer[200];
	struct owner o;
	struct stat st;
	int fd;

	start(&o, ECHO);
	c = conf_of(&o);
	EQ(stream_listen_unix(o.rig.l, o.path, 0600, &c, &sl), -EADDRINUSE);
	strcpy(sun.sun_path, rig_path(&o.rig, "stale", path));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	EQ(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	EQ(stream_listen_unix(o.rig.l, path, 0660, &c, &sl), 0);
	EQ(stat(path, &st), 0);
	EQ(st.st_mode & 0777, 0660);
	EQ(stream_listener_addr(sl).port, 0);
	stream_listener_free(sl);
	fd = open(rig_path(&o.rig, "file", path), O_CREAT | O_WRONLY, 0600);
	close(fd);
	EQ(stream_listen_unix(o.rig.l, path, 0600, &c, &sl), -EADDRINUSE);
	EQ(stat(path, &st), 0);
	EQ(stream_listen_unix(o.rig.l, rig_path(&o.rig, "no/s", path), 0600, &c, &sl), -ENOENT);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	EQ(stream_listen_unix(o.rig.l, longer, 0600, &c, &sl), -ENAMETOOLONG);
	c.limits.out_max = 0;
	EQ(stream_listen_unix(o.rig.l, rig_path(&o.rig, "zero", path), 0600, &c, &sl), -EINVAL);
	finish(&o);
}

/* A deadline that passes closes with -ETIMEDOUT; MONO_NEVER switches it off; it may be moved. */
static void deadline_closes(void)
{
	struct owner o;
	struct cli cli;
	mono_t t;

	start(&o, ECHO);
	dial(&o, &cli);
	OK(rig_run(&o.rig, is_accepted, &o));
	t = loop_now(o.rig.l);
	stream_deadline(o.s, (mono_t){ 0 });
	stream_deadline(o.s, MONO_NEVER);
	cli_send(&cli, "hello", 5);
	OK(rig_run(&o.rig, got_five, &cli) && o.closed == 0);
	stream_deadline(o.s, mono_add(t, DUR_MS(1)));
	OK(rig_run(&o.rig, is_closed, &o));
	EQ(o.why, -ETIMEDOUT);
	cli_close(&cli);
	finish(&o);
}

/* A reset is an error of the connection, with its errno. */
static void reset_is_reported(void)
{
	struct linger hard = { .l_onoff = 1 };
	struct owner o;
	struct addr at = start_tcp(&o, HOARD, 65536);
	struct cli cli;

	cli_tcp(&cli, &at);
	OK(rig_run(&o.rig, is_accepted, &o));
	setsockopt(cli.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	cli_close(&cli);
	OK(rig_run(&o.rig, is_closed, &o));
	EQ(o.why, -ECONNRESET);
	finish(&o);
}

static void raise_limit(void *arg)
{
	EQ(setrlimit(RLIMIT_NOFILE, arg), 0);
}

/* Out of descriptors the listener pauses instead of spinning, and accepts when there are some again. */
static void out_of_descriptors_is_a_pause(void)
{
	struct rlimit old, none;
	struct timer *later;
	struct owner o;
	struct cli cli;

	start(&o, ECHO);
	dial(&o, &cli);
	cli_send(&cli, "hello", 5);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 3;
	later = loop_timer(o.rig.l, raise_limit, &old);
	timer_set(later, mono_add(loop_now(o.rig.l), DUR_MS(10)));
	EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	OK(rig_run(&o.rig, got_five, &cli));
	EQ(o.accepted, 1);
	timer_free(later);
	cli_close(&cli);
	OK(rig_run(&o.rig, is_closed, &o));
	finish(&o);
}

/* Without memory a connection is refused and counted; the listener goes on. */
static void out_of_memory_refuses_one(void)
{
	for (size_t nth = 0; nth < 2; nth++) {
		struct owner o;
		struct cli cli;

		start(&o, ECHO);
		dial(&o, &cli);
		mem_fail_at(nth);
		OK(rig_run(&o.rig, cli_eof, &cli));
		mem_fail_at(SIZE_MAX);
		EQ(o.accepted, 0);
		EQ(stream_listener_refused(o.sl), 1);
		cli_close(&cli);
		finish(&o);
	}
}

T_MAIN(T(echo_and_peer), T(byte_by_byte), T(closing_inside_on_data), T(input_is_bounded), T(output_overrun_closes),
       T(all_is_sent_before_the_end), T(linger_is_bounded), T(refused_streams_are_counted),
       T(on_accept_may_close_and_free), T(streams_outlive_the_listener), T(unix_paths), T(deadline_closes),
       T(reset_is_reported), T(out_of_descriptors_is_a_pause), T(out_of_memory_refuses_one))
