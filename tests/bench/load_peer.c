/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One participant. Arrival is read from the kernel's receive stamp: with hundreds of receivers in one thread the
 * time until recv returns is the generator's own queue. Both stamps are of the calendar clock, as the kernel's is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/seqno.h"
#include "bench/load.h"
#include "sfud/media/rtcp.h"
#include "wire/demux.h"
#include "wire/stun.h"

#define STUN_US 2500000 /* between two checks of consent, as Chrome */
#define REPORT_US 1000000
#define RCVBUF (1 << 20)
#define BATCH 8
#define TRAIN 65536
#define TOKENS 64

mono_t load_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){ (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000 };
}

uint64_t load_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- out ---------------------------------------------------------------------------------------------- */

void load_peer_send(struct load_peer *p, const uint8_t *dgram, size_t n)
{
	if (n == 0 || send(p->udp, dgram, n, 0) != (ssize_t)n)
		load_die("sending a datagram");
}

void load_peer_send_rtcp(struct load_peer *p, struct wr *w)
{
	load_peer_send(p, w->start, srtcp_seal(&p->tx, w->start, wr_len(w)));
}

static void send_check(struct load_peer *p)
{
	static const uint8_t priority[4] = { 0x6e, 0, 1, 0xff }, tie[8] = "breaker";
	uint8_t buf[1024], user[512], tid[STUN_TID_LEN];
	struct wr w = wr_from(buf, sizeof(buf)), u = wr_from(user, sizeof(user));

	put_be64(tid, load_wall_ns());
	put_be32(tid + 8, (uint32_t)p->sub);
	wr_str(&u, p->remote_ufrag);
	wr_str(&u, ":" LOAD_UFRAG);
	stun_begin(&w, STUN_REQUEST, STUN_BINDING, tid);
	stun_put(&w, STUN_ATTR_USERNAME, wr_span_of(&u));
	stun_put(&w, STUN_ATTR_PRIORITY, span_of(priority, sizeof(priority)));
	stun_put(&w, STUN_ATTR_ICE_CONTROLLING, span_of(tie, sizeof(tie)));
	stun_put(&w, STUN_ATTR_USE_CANDIDATE, span_of(NULL, 0));
	stun_put_integrity(&w, span_str(p->remote_pwd));
	stun_put_fingerprint(&w);
	load_peer_send(p, buf, wr_len(&w));
}

static void flush(struct load_peer *p)
{
	struct outbox *ob = &p->load->out;

	for (uint32_t i = 0; i < ob->n; i++)
		for (size_t at = 0; at < ob->msg[i].len; at += ob->msg[i].seg) {
			size_t left = ob->msg[i].len - at;

			load_peer_send(p, ob->msg[i].data + at, left < ob->msg[i].seg ? left : ob->msg[i].seg);
		}
	outbox_clear(ob);
}

static void send_receiver_report(struct load_peer *p)
{
	struct rtcp_report r[LOAD_KINDS] = { 0 };
	unsigned n = 0;
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf) - SRTP_OVERHEAD);

	for (int k = 0; k < LOAD_KINDS; k++)
		if (p->flow[k].started)
			r[n++] = (struct rtcp_report){ .ssrc = p->flow[k].ssrc, .highest_seq = p->flow[k].top };
	rtcp_put_rr(&w, 1, r, n);
	load_peer_send_rtcp(p, &w);
}

/* --- signalling --------------------------------------------------------------------------------------- */

static void open_udp(struct load_peer *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(p->load->sfud.media_port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = p->sub << 1 };
	int on = 1, size = RCVBUF;

	p->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->udp < 0 || setsockopt(p->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
	    setsockopt(p->udp, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(p->udp, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0 ||
	    connect(p->udp, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    epoll_ctl(p->load->epoll, EPOLL_CTL_ADD, p->udp, &ev) < 0)
		load_die("opening a media socket");
}

static void keep(char *to, struct span from)
{
	memcpy(to, from.p, from.n); /* no line of an SDP is longer than the field */
	to[from.n] = '\0';
}

static void on_answer(struct load_peer *p, struct span text)
{
	struct load *l = p->load;
	const char *why = NULL;

	errno = 0;
	if (sdp_parse(text, &l->sdp, &why) < 0)
		load_die(why);
	keep(p->remote_ufrag, l->sdp.ufrag);
	keep(p->remote_pwd, l->sdp.pwd);
	p->dtls = dtls_mem_client(l->dtls_ctx, l->sdp.fingerprint, l->profiles);
	if (!p->dtls)
		load_die("making a DTLS client");
	open_udp(p);
	p->state = LOAD_ICE;
	p->stun_at = load_now();
	load_peer_tick(p, p->stun_at);
}

static void on_offer(struct load_peer *p, struct span offer)
{
	struct load *l = p->load;
	struct wr sdp = wr_from(l->sdp_text, sizeof(l->sdp_text)), w = wr_from(l->text, sizeof(l->text));
	struct json_out o = json_out(&w);

	load_sdp_answer(&sdp, p, offer);
	jo_obj(&o);
	jo_key(&o, "type");
	jo_str(&o, span_str("answer-renegotiate"));
	jo_key(&o, "sdp");
	jo_str(&o, wr_span_of(&sdp));
	jo_key(&o, "mid");
	jo_str(&o, span_str("0"));
	jo_obj_end(&o);
	load_ws_send(p, wr_span_of(&w));
	p->tracks++;
}

void load_peer_text(struct load_peer *p, struct span text)
{
	struct load *l = p->load;
	static struct json_tok tok[4096]; /* a tracks_map names everybody */
	struct json j;
	char kind[32] = "", type[32] = "";
	size_t n;

	errno = 0;
	if (json_parse(text, tok, ARRAY_LEN(tok), &j) < 0)
		load_die("a message that is no JSON");
	(void)json_get_str(&j, 0, "kind", kind, sizeof(kind), NULL);
	(void)json_get_str(&j, 0, "type", type, sizeof(type), NULL);
	if (strcmp(kind, "answer") != 0 && strcmp(type, "offer-renegotiate") != 0)
		return;
	if (json_get_str(&j, 0, "sdp", (char *)l->json, sizeof(l->json), &n) < 0)
		load_die("a message without its SDP");
	if (kind[0])
		on_answer(p, span_of(l->json, n));
	else
		on_offer(p, span_of(l->json, n));
}

/* --- in ----------------------------------------------------------------------------------------------- */

static void take_keys(struct load_peer *p)
{
	struct dtls_keys k = { 0 };

	if (dtls_mem_ops.keys(p->dtls, &k) < 0 || srtp_rx_init(&p->rx, k.suite, span_of(k.rx, srtp_master_len(k.suite))) < 0 ||
	    srtp_tx_init(&p->tx, k.suite, span_of(k.tx, srtp_master_len(k.suite))) < 0)
		load_die("taking the SRTP keys");
	wipe(&k, sizeof(k));
	p->state = LOAD_MEDIA;
	p->report_at = mono_add(load_now(), REPORT_US * (p->sub % 100) / 100); /* not all at once */
}

static void on_dtls(struct load_peer *p, enum dtls_state s)
{
	flush(p);
	errno = 0;
	if (s == DTLS_CLOSED || s == DTLS_FAILED)
		load_die("DTLS ended");
	if (s == DTLS_OPEN && p->state != LOAD_MEDIA)
		take_keys(p);
}

static void on_stun(struct load_peer *p, struct span dgram)
{
	struct stun_msg m;

	errno = 0;
	if (stun_parse(dgram, &m) < 0 || m.cls != STUN_SUCCESS || stun_check_integrity(&m, span_str(p->remote_pwd)) < 0)
		load_die("a check was not answered with success");
	if (p->state == LOAD_ICE)
		p->state = LOAD_DTLS;
	load_peer_tick(p, load_now());
}

static void count_seq(struct load_stats *s, struct load_flow *f, const uint8_t *pkt)
{
	uint16_t seq = be16_at(pkt + 2);

	if (f->started && f->ssrc == be32_at(pkt + 8)) {
		int16_t step = seq16_diff(seq, f->top);

		s->backwards += step <= 0;
		s->gaps += step > 1 ? (uint64_t)step - 1 : 0;
		if (step <= 0)
			return;
	}
	*f = (struct load_flow){ .started = true, .ssrc = be32_at(pkt + 8), .top = seq, .packets = f->packets + 1 };
}

static void on_rtp(struct load_peer *p, uint8_t *pkt, size_t n, uint64_t wire_ns, uint64_t app_ns)
{
	struct load_stats *s = &p->load->stats;
	enum load_kind kind;
	uint64_t number, sent;

	if (p->state != LOAD_MEDIA || srtp_open(&p->rx, pkt, &n) != DROP_NONE || n < LOAD_TRAILER + 12) {
		s->bad_auth++;
		return;
	}
	kind = (pkt[1] & 0x7f) == LOAD_PT_VIDEO ? LOAD_VIDEO : LOAD_AUDIO;
	count_seq(s, &p->flow[kind], pkt);
	if (pkt[0] & 0x20) /* RFC 3550 5.1: padding behind the payload */
		n -= pkt[n - 1] < n - LOAD_TRAILER ? pkt[n - 1] : 0;
	number = be64_at(pkt + n - LOAD_TRAILER);
	sent = be64_at(pkt + n - 8);
	if (number >= p->load->pub.seq[kind]) {
		s->bad_payload++;
		return;
	}
	if (number < s->from[kind] || number >= s->to[kind])
		return;
	s->delivered[kind]++;
	lat_add(&s->wire, sent, wire_ns);
	lat_add(&s->app, sent, app_ns);
}

static void on_rtcp(struct load_peer *p, uint8_t *pkt, size_t n)
{
	if (p->state != LOAD_MEDIA || srtcp_open(&p->rx, pkt, &n) != DROP_NONE)
		p->load->stats.bad_auth++;
	else if (p->publisher)
		load_pub_rtcp(p->load, span_of(pkt, n));
}

static void on_dgram(struct load_peer *p, uint8_t *d, size_t n, uint64_t wire_ns, uint64_t app_ns)
{
	switch (demux(span_of(d, n))) {
	case DEMUX_RTP:
		on_rtp(p, d, n, wire_ns, app_ns);
		break;
	case DEMUX_RTCP:
		on_rtcp(p, d, n);
		break;
	case DEMUX_DTLS:
		on_dtls(p, dtls_mem_ops.input(p->dtls, span_of(d, n), &(struct path){ 0 }, load_now(), &p->load->out));
		break;
	case DEMUX_STUN:
		on_stun(p, span_of(d, n));
		break;
	case DEMUX_ZRTP:
	case DEMUX_TURN:
	case DEMUX_OTHER:
	case DEMUX_MAX_:
		load_die("a datagram of no kind");
	}
}

static void on_train(struct load_peer *p, struct mmsghdr *m, uint64_t app_ns)
{
	struct msghdr *h = &m->msg_hdr;
	size_t len = m->msg_len, seg = len;
	uint64_t wire_ns = app_ns;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct timespec ts;
		int v;

		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			seg = (size_t)v;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			wire_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
		}
	}
	for (size_t at = 0; at < len; at += seg)
		on_dgram(p, (uint8_t *)h->msg_iov->iov_base + at, len - at < seg ? len - at : seg, wire_ns, app_ns);
}

void load_peer_readable(struct load_peer *p)
{
	static uint8_t data[BATCH][TRAIN];
	static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int))];
	struct iovec iov[BATCH];
	struct mmsghdr m[BATCH];
	int r;

	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], TRAIN };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i],
						.msg_controllen = sizeof(control[i]) };
	}
	r = recvmmsg(p->udp, m, BATCH, 0, NULL);
	if (r < 0 && errno != EAGAIN)
		load_die("receiving");
	uint64_t now = load_wall_ns();

	for (int i = 0; i < r; i++)
		on_train(p, &m[i], now);
}

/* --- time --------------------------------------------------------------------------------------------- */

bool load_peer_ready(const struct load_peer *p)
{
	return p->state == LOAD_MEDIA && (p->publisher || p->tracks == LOAD_KINDS);
}

void load_peer_tick(struct load_peer *p, mono_t now)
{
	if (p->state >= LOAD_ICE && mono_reached(now, p->stun_at)) {
		send_check(p);
		p->stun_at = mono_add(now, STUN_US);
	}
	if (p->state == LOAD_DTLS && mono_reached(now, dtls_mem_ops.next(p->dtls)))
		on_dtls(p, dtls_mem_ops.tick(p->dtls, &(struct path){ 0 }, now, &p->load->out));
	if (p->state == LOAD_MEDIA && !p->publisher && mono_reached(now, p->report_at)) {
		send_receiver_report(p);
		p->report_at = mono_add(now, REPORT_US);
	}
}

void load_peer_start(struct load *l, bool publisher)
{
	struct load_peer *p = &l->peers[l->n_peers];

	*p = (struct load_peer){ .load = l, .sub = l->n_peers, .publisher = publisher, .tcp = -1, .udp = -1 };
	l->n_peers++;
	if (publisher)
		l->pub = (struct load_pub){ .peer = p, .random = 1 };
	load_ws_open(p);
}

void load_peer_done(struct load_peer *p)
{
	load_ws_done(p);
	close(p->udp);
	dtls_mem_ops.free(p->dtls);
	srtp_rx_done(&p->rx);
	srtp_tx_done(&p->tx);
}
