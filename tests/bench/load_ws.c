/* SPDX-License-Identifier: AGPL-3.0-only */
/* The signalling socket of one participant: token, upgrade, frames. wslay masks what a client sends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"
#include "wire/jwt.h"

#define TOKEN_LIFE 3600

/* Loopback and small frames: waiting for room is rare, and the daemon never waits for us. */
static void write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			(void)poll(&wait, 1, 1000);
			continue;
		}
		if (sent < 0)
			load_die("sending on a WebSocket");
		p += sent;
		n -= (size_t)sent;
	}
}

static void write_token(struct wr *w, const struct load_peer *p)
{
	uint8_t buf[256];
	struct wr claims = wr_from(buf, sizeof(buf));
	uint64_t now = load_wall_ns() / 1000000000u;

	wr_str(&claims, "{\"sub\":");
	wr_dec(&claims, p->sub);
	wr_str(&claims, ",\"room\":\"bench\",\"iat\":");
	wr_dec(&claims, now);
	wr_str(&claims, ",\"exp\":");
	wr_dec(&claims, now + TOKEN_LIFE);
	wr_str(&claims, "}");
	jwt_sign_hs256(w, wr_span_of(&claims), span_str(p->load->sfud.secret));
}

void load_ws_open(struct load_peer *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(p->load->sfud.signal_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = p->sub << 1 | 1 };
	uint8_t buf[2048];
	struct wr w = wr_from(buf, sizeof(buf));
	int on = 1;

	p->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->tcp < 0 || connect(p->tcp, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    fcntl(p->tcp, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(p->load->epoll, EPOLL_CTL_ADD, p->tcp, &ev) < 0)
		load_die("connecting a WebSocket");
	(void)setsockopt(p->tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	wr_str(&w, "GET /sfu/ws/bench HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		   "Sec-WebSocket-Protocol: oxpulse-sfu-v1, bearer.");
	write_token(&w, p);
	wr_str(&w, "\r\n\r\n");
	write_all(p->tcp, buf, wr_len(&w));
}

static ssize_t frame_read(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, int flags, void *user)
{
	struct load_peer *p = user;
	ssize_t got = recv(p->tcp, buf, n, 0);

	(void)flags;
	if (got > 0)
		return got;
	wslay_event_set_error(ctx, got < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t frame_write(wslay_event_context_ptr ctx, const uint8_t *data, size_t n, int flags, void *user)
{
	struct load_peer *p = user;

	(void)ctx;
	(void)flags;
	write_all(p->tcp, data, n);
	return (ssize_t)n;
}

static int mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t n, void *user)
{
	(void)ctx;
	(void)user;
	return getrandom(buf, n, 0) == (ssize_t)n ? 0 : -1;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
	char why[160];

	(void)ctx;
	errno = 0;
	if (m->opcode == WSLAY_CONNECTION_CLOSE) {
		size_t n = m->msg_length > 2 ? m->msg_length - 2 : 0; /* behind the code */

		snprintf(why, sizeof(why), "the daemon closed a WebSocket: %u %.*s", m->status_code, (int)n,
			 n ? (const char *)m->msg + 2 : "");
		load_die(why);
	}
	if (m->opcode == WSLAY_TEXT_FRAME)
		load_peer_text(user, span_of(m->msg, m->msg_length));
}

/* The daemon says nothing before our first frame, so what follows the head belongs to nobody. */
static void on_head(struct load_peer *p)
{
	static const struct wslay_event_callbacks calls = {
		.recv_callback = frame_read,
		.send_callback = frame_write,
		.genmask_callback = mask,
		.on_msg_recv_callback = on_message,
	};
	ssize_t got = recv(p->tcp, p->http + p->n_http, sizeof(p->http) - 1 - p->n_http, 0);
	struct load *l = p->load;
	struct wr w = wr_from(l->text, sizeof(l->text));

	if (got <= 0)
		load_die("upgrading a WebSocket");
	p->n_http += (size_t)got;
	p->http[p->n_http] = '\0';
	if (!strstr(p->http, "\r\n\r\n"))
		return;
	errno = 0;
	if (strncmp(p->http, "HTTP/1.1 101 ", 13) != 0)
		load_die(p->http);
	if (wslay_event_context_client_init(&p->ws, &calls, p) != 0)
		load_die("out of memory");
	p->state = LOAD_OFFERED;
	load_sdp_offer(&w, p);
	load_ws_send(p, wr_span_of(&w));
}

void load_ws_readable(struct load_peer *p)
{
	if (p->state == LOAD_HTTP) {
		on_head(p);
		return;
	}
	if (wslay_event_recv(p->ws) != 0)
		load_die("reading a WebSocket");
	(void)wslay_event_send(p->ws); /* pongs */
}

void load_ws_send(struct load_peer *p, struct span text)
{
	struct wslay_event_msg m = { WSLAY_TEXT_FRAME, text.p, text.n };

	if (text.n == 0 || wslay_event_queue_msg(p->ws, &m) != 0 || wslay_event_send(p->ws) != 0)
		load_die("sending a message");
}

void load_ws_done(struct load_peer *p)
{
	if (p->ws)
		wslay_event_context_free(p->ws);
	close(p->tcp);
}
