/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/sfud_conf.h"

#include <stdlib.h>

#include "sys/conf_file.h"
#include "sys/log.h"

#define F(field) offsetof(struct sfud_conf, field)

const struct conf_key sfud_keys[] = {
	{ "Media.Port", &conf_port, F(media_port), "7878", "SFU_UDP_PORT", "UDP port of all media" },
	{ "Media.Bind", &conf_addr, F(media_bind), "0.0.0.0", "SFU_BIND_ADDRESS", "address of the media socket" },
	{ "Media.Advertise", &conf_addrs, F(advertise), "", NULL,
	  "host candidates offered to browsers, space separated; empty: PublicAddress, else Bind" },
	{ "Media.PublicAddress", &conf_text, F(public_address), "", "SFU_PUBLIC_IP", "first host candidate" },
	{ "Media.LocalAddress", &conf_text, F(local_address), "", "SFU_LOCAL_IP",
	  "second host candidate for clouds without hairpin; private addresses only" },
	{ "Media.ReceiveBuffer", &conf_u32, F(receive_buffer), "4194304", NULL, "bytes of socket receive buffer" },
	{ "Media.SendBuffer", &conf_u32, F(send_buffer), "4194304", NULL, "bytes of socket send buffer" },
	{ "Signal.Port", &conf_port, F(signal_port), "8920", "SFU_CLIENT_WS_PORT",
	  "TCP port of the signalling WebSocket" },
	{ "Signal.Bind", &conf_addr, F(signal_bind), "127.0.0.1", "SFU_CLIENT_WS_BIND",
	  "its address; the front forwards to it" },
	{ "Signal.SecretFile", &conf_text, F(secret_file), "", NULL,
	  "file or credential with the HS256 key of room tokens; else $SIGNALING_SFU_SECRET" },
	{ "Signal.SigningKeyFile", &conf_text, F(key_file), "", NULL,
	  "file or credential with an Ed25519 public key (PEM); else $SFU_SIGNING_PUBLIC_KEY" },
	{ "Signal.Hs256Fallback", &conf_bool, F(hs256_fallback), "yes", "SFU_RELAY_HS256_FALLBACK",
	  "with an Ed25519 key: accept HS256 tokens, too" },
	{ "Signal.MaxMessage", &conf_u32, F(max_message), "131072", NULL, "bytes of one message of a browser at most" },
	{ "Signal.Ping", &conf_duration, F(ping), "15s", NULL,
	  "idle sockets are pinged this often, closed after three" },
	{ "Rooms.MaxParticipants", &conf_u32, F(max_participants), "50", "SFU_MAX_PARTICIPANTS",
	  "open sessions on this node; further ones get 503" },
	{ "Rooms.MaxRooms", &conf_u32, F(max_rooms), "1000", NULL, "rooms on this node" },
	{ "Rooms.SoloKick", &conf_duration, F(solo_kick), "2m", "SFU_SOLO_KICK_AFTER_SECS",
	  "who is alone for so long is disconnected; 0 = never" },
	{ "Rooms.BweHintMs", &conf_u32, F(bwe_hint_ms), "100", "SFU_BWE_HINT_MIN_INTERVAL_MS",
	  "least milliseconds between counted bwe-hint messages" },
	{ "Rooms.DrainLimit", &conf_duration, F(drain_limit), "1h", NULL,
	  "a drain ends after this long at the latest" },
	{ "Metrics.Port", &conf_port, F(metrics_port), "9317", "SFU_METRICS_PORT", "TCP port of /metrics" },
	{ "Metrics.Bind", &conf_addr, F(metrics_bind), "127.0.0.1", "SFU_METRICS_BIND", "its address" },
	{ "Metrics.EdgeId", &conf_text, F(edge_id), "local", "SFU_EDGE_ID", "label edge_id of every series" },
	{ "Control.Socket", &conf_text, F(control_socket), "/run/oxpulse-partner-edge/sfud", NULL,
	  "Varlink socket; none: no control" },
	{ "Control.HealthUser", &conf_text, F(health_user), "oxpulse-healthd", NULL,
	  "user that may read status and metrics" },
	{ "Control.RefreshUser", &conf_text, F(refresh_user), "oxpulse-refreshd", NULL,
	  "user that may reload and drain" },
	{ "Log.Level", &conf_text, F(log_level), "info", "RUST_LOG",
	  "emerg, alert, crit, err, warning, notice, info or debug" },
	{ 0 },
};

static const char *environment(const char *name)
{
	return getenv(name);
}

/* The existing system starts with the default when a variable is garbage, except for ports. Said aloud here. */
static int apply_environment(struct sfud_conf *c)
{
	for (const struct conf_key *k = sfud_keys; k->key; k++) {
		const struct conf_key one[] = { *k, { 0 } };
		struct conf_diag diag = { 0 };

		if (!k->env || conf_apply_env(one, environment, c, &diag) == 0)
			continue;
		if (k->type == &conf_port || k->type == &conf_addr) {
			log_at(LOG_ERR, NULL, "environment: %s", diag.text);
			return ERR_MALFORMED;
		}
		log_warn("environment: %s; using %s", diag.text, k->dflt);
		(void)conf_defaults(one, c, &diag);
	}
	return 0;
}

static int apply_file(const char *path, struct span text, void *arg)
{
	struct conf_diag diag = { 0 };
	int r = conf_apply(sfud_keys, path, text, arg, &diag);

	if (r < 0)
		log_at(LOG_ERR, NULL, "%s:%u: %s", path, diag.line, diag.text);
	return r;
}

static void add_candidate(struct sfud_conf *c, struct addr a)
{
	struct sfu_conf *s = &c->sfu;

	a.port = c->media_port;
	for (uint32_t i = 0; i < s->n_candidates; i++)
		if (addr_eq(&s->candidate[i], &a))
			return;
	if (s->n_candidates < ADVERTISE_MAX)
		s->candidate[s->n_candidates++] = a;
}

static bool read_ip(const char *text, struct addr *ret)
{
	return text[0] && addr_parse(span_str(text), ret) == 0 && ret->port == 0;
}

static void derive_candidates(struct sfud_conf *c)
{
	struct addr a;

	for (uint32_t i = 0; i < c->advertise.n; i++)
		add_candidate(c, c->advertise.a[i]);
	if (read_ip(c->public_address, &a))
		add_candidate(c, a);
	else if (c->public_address[0])
		log_warn("Media.PublicAddress: \"%s\" is not an IP address; ignored", c->public_address);
	if (c->sfu.n_candidates == 0) {
		if (addr_classify(&c->media_bind) == ADDR_UNSPECIFIED)
			log_warn("no address to advertise: set Media.Advertise= to what browsers can reach");
		else
			add_candidate(c, c->media_bind);
	}
	if (read_ip(c->local_address, &a) && addr_classify(&a) == ADDR_PRIVATE)
		add_candidate(c, a);
	else if (c->local_address[0])
		log_warn("Media.LocalAddress: \"%s\" is not a private address; ignored", c->local_address);
}

static int load_secret(struct sfud_conf *c)
{
	const char *env = getenv("SIGNALING_SFU_SECRET");

	if (c->secret_file[0]) {
		int r = conf_file_secret(c->secret_file, &c->secret);

		if (r < 0)
			return log_err(r, "Signal.SecretFile %s", c->secret_file);
	} else if (env && env[0]) {
		int r = secret_set(&c->secret, span_str(env));

		if (r < 0)
			return log_err(r, "SIGNALING_SFU_SECRET");
	}
	return 0;
}

static int load_key(struct sfud_conf *c)
{
	const char *env = getenv("SFU_SIGNING_PUBLIC_KEY");
	struct secret pem = { 0 };
	int r = 0;

	if (c->key_file[0]) {
		char text[1024];
		size_t n;

		r = conf_file_read(c->key_file, text, sizeof(text), &n);
		if (r >= 0)
			r = secret_set(&pem, span_of(text, n));
	} else if (env && env[0]) {
		r = secret_set(&pem, span_str(env));
	}
	if (r >= 0 && pem.n) {
		r = jwt_ed25519_pem(secret_span(&pem), c->ed25519);
		c->has_ed25519 = r == 0;
	}
	secret_done(&pem);
	return r < 0 ? log_err(r, "Ed25519 public key of room tokens (PEM expected)") : 0;
}

static int derive(struct sfud_conf *c)
{
	int r;

	derive_candidates(c);
	if (log_level_parse(c->log_level, &c->level) < 0) {
		log_warn("Log.Level: \"%s\" is not a level; using info", c->log_level);
		c->level = LOG_INFO;
	}
	c->signal_bind.port = c->signal_port;
	c->metrics_bind.port = c->metrics_port;
	c->media_bind.port = c->media_port;
	/* Members outlive their sessions by the grace of a lost WebSocket. */
	c->sfu.max_members = c->max_participants * 2 + 16;
	c->sfu.max_rooms = c->max_rooms;
	c->sfu.solo_kick = c->solo_kick;
	c->sfu.bwe_hint_gap = DUR_MS(c->bwe_hint_ms ? c->bwe_hint_ms : 1);
	r = load_secret(c);
	return r < 0 ? r : load_key(c);
}

int sfud_conf_load(const char *path, struct sfud_conf *ret)
{
	struct sfud_conf c = { 0 };
	struct conf_diag diag = { 0 };
	int r;

	r = conf_defaults(sfud_keys, &c, &diag);
	if (r < 0) {
		log_at(LOG_ERR, NULL, "%s", diag.text);
		return r;
	}
	r = apply_environment(&c);
	if (r == 0)
		r = conf_file_each(path ? path : SFUD_CONF_PATH, path == NULL, apply_file, &c);
	if (r < 0 && r != ERR_MALFORMED)
		log_err(r, "reading %s", path ? path : SFUD_CONF_PATH);
	if (r == 0)
		r = derive(&c);
	if (r == 0)
		*ret = c;
	secret_done(&c.secret);
	return r;
}

void sfud_conf_done(struct sfud_conf *c)
{
	secret_done(&c->secret);
}

struct jwt_keys sfud_conf_keys(const struct sfud_conf *c)
{
	return (struct jwt_keys){ .hs256 = secret_span(&c->secret), .ed25519 = c->has_ed25519 ? c->ed25519 : NULL,
				  .hs256_fallback = c->hs256_fallback };
}

/* An address's port is derived from the key of its own. */
static bool same_value(const struct conf_key *k, const void *old, const void *new)
{
	struct addr a, b;

	if (k->type != &conf_addr)
		return memcmp(old, new, k->type->size) == 0;
	memcpy(&a, old, sizeof(a));
	memcpy(&b, new, sizeof(b));
	a.port = b.port;
	return addr_eq(&a, &b);
}

void sfud_conf_frozen(const struct sfud_conf *old, const struct sfud_conf *new, struct wr *w)
{
	static const char *const frozen[] = {
		"Media.Port", "Media.Bind", "Media.ReceiveBuffer", "Media.SendBuffer",
		"Signal.Port", "Signal.Bind", "Signal.MaxMessage", "Signal.Ping",
		"Rooms.MaxRooms", "Metrics.Port", "Metrics.Bind",
		"Control.Socket", "Control.HealthUser", "Control.RefreshUser",
	};

	for (const struct conf_key *k = sfud_keys; k->key; k++) {
		bool fixed = false;

		for (size_t i = 0; i < ARRAY_LEN(frozen); i++)
			fixed |= strcmp(frozen[i], k->key) == 0;
		if (!fixed || same_value(k, (const char *)old + k->at, (const char *)new + k->at))
			continue;
		if (wr_len(w))
			wr_str(w, " ");
		wr_str(w, k->key);
	}
}
