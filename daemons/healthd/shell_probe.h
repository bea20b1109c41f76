/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Probes: each proves by bytes that came back, never by an open port. Asynchronous on one loop, bounded in time; each
 * calls its fn exactly once unless cancelled, and leaves nothing behind (allocations are released, sessions closed)
 * also when it fails or is cancelled. Used by healthd all the time and by the health check tool once.
 */
#ifndef HEALTHD_SHELL_PROBE_H
#define HEALTHD_SHELL_PROBE_H

#include "base/addr.h"
#include "healthd/verdict/overview.h"
#include "sys/http_client.h"

#define PROBE_TEXT_MAX 240

struct probe_result {
	bool ok;
	uint64_t us;              /* round trip, or the time until it failed */
	char mode[24];            /* what was proven: "allocate", "stun-degraded", "http", "tls", "signal-media", … */
	/* of a failure, one word: timeout, refused, auth-486, auth, status, garbage, tls, no-address, internal-address,
	 * OV_REASON_LOCAL, other */
	char reason[24];
	char cause[PROBE_TEXT_MAX], fix[PROBE_TEXT_MAX]; /* a sentence each, for an operator; "" when ok */
	wall_t certificate_until; /* TLS: the leaf's notAfter; 0: none */
};

typedef void probe_fn(const struct probe_result *r, void *arg);
struct probe;
void probe_cancel(struct probe *p); /* NULL allowed */

struct probe_env {
	struct loop *loop;
	struct http_client *http;
	uint64_t timeout_us;
};

enum probe_transport { PROBE_UDP, PROBE_TCP, PROBE_TLS };

/* GET of a URL, perhaps through a Unix socket or to a pinned address; ok: status 2xx, and the body contains `want` (NULL: any). */
struct probe_http {
	struct http_ask ask; /* method, timeouts and reply_max are set by the probe */
	const char *want;    /* copied */
	const char *what;    /* for the texts: "channel ch2"; copied */
};
int probe_http(const struct probe_env *e, const struct probe_http *q, probe_fn *fn, void *arg, struct probe **ret);

/* A STUN Binding answered; over TLS with full verification of `name` (SNI). at: where to dial. */
struct probe_stun {
	struct addr at;
	enum probe_transport transport;
	const char *name, *ca_file; /* TLS; copied; ca_file "" or NULL: the system's */
};
int probe_stun(const struct probe_env *e, const struct probe_stun *q, probe_fn *fn, void *arg, struct probe **ret);

/* TURN for real (RFC 8656): two allocations of user "<expiry>:healthprobe", one datum from the first to the second's
 * relayed address, the echo of its bytes seen, both released. Without a secret only a STUN Binding: mode
 * "stun-degraded". */
struct probe_turn {
	struct addr at;              /* own public address: loopback is no peer */
	const struct secret *secret; /* NULL or unset: degraded; copied */
	const char *realm;           /* NULL: what the server says */
	enum probe_transport transport;
	const char *name, *ca_file;  /* TLS; copied */
};
int probe_turn(const struct probe_env *e, const struct probe_turn *q, probe_fn *fn, void *arg, struct probe **ret);

/* SFU for real: WebSocket with a room token of our own for the room "healthprobe-<random>", an offer, the answer's
 * candidate asked by an ICE Binding request whose response carries MESSAGE-INTEGRITY of the answer's password; then the
 * session is closed. */
struct probe_sfu {
	struct addr signal;          /* 127.0.0.1:8920 */
	const struct secret *secret; /* HS256 */
	struct addr media;           /* where to send the check instead of the answer's candidate; unset: the first candidate */
};
int probe_sfu(const struct probe_env *e, const struct probe_sfu *q, probe_fn *fn, void *arg, struct probe **ret);

/* A peer of the roster (control plane 1.4 b): resolved once, the answer vetted (global addresses only, every v4-in-v6
 * form unwrapped), the vetted address dialled with the name as SNI and full verification; a STUN Binding over that TLS,
 * or over UDP. reason "internal-address": nothing was sent. allow_internal is for tests. */
struct probe_peer {
	const char *host; /* copied */
	uint16_t port;
	enum probe_transport transport; /* PROBE_TLS or PROBE_UDP */
	const char *ca_file;
	bool allow_internal;
};
int probe_peer(const struct probe_env *e, const struct probe_peer *q, probe_fn *fn, void *arg, struct probe **ret);

#endif
