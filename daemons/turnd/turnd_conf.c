/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/turnd_conf.h"

#include <errno.h>

#include "sys/conf_file.h"
#include "sys/host_addrs.h"
#include "sys/log.h"

#define F(field) offsetof(struct turnd_conf, field)
#define NONCE_LIFE DUR_SEC(600)
#define DEFAULT_LIFE DUR_SEC(600) /* RFC 8656 3.2 */
#define STREAMS_MAX 32            /* RFC 6062: per allocation */
#define HOST_ADDRS_MAX 256

const struct conf_key turnd_keys[] = {
	{ "Server.Listen", &conf_addrs, F(listen), "[::]:3478", NULL,
	  "addresses for UDP and TCP, space separated; [::] is every address of both families; port 3478 when none is given" },
	{ "Server.ListenTls", &conf_addrs, F(listen_tls), "", NULL,
	  "addresses for TLS and DTLS; port 5349 when none is given; empty: [::]:5349 with a certificate, else none" },
	{ "Server.TurnsSocket", &conf_text, F(turns_socket), "", NULL,
	  "Unix socket where the web front hands over TURNS connections of port 443, with a PROXY header in front" },
	{ "Server.CoverSocket", &conf_text, F(cover_socket), "", NULL,
	  "Unix socket of the cover site (HTTP/1.1), for TLS connections that are not TURN" },
	{ "Server.CoverH2Socket", &conf_text, F(cover_h2_socket), "", NULL, "the same for HTTP/2" },
	{ "Server.RelayAddress", &conf_addrs, F(relay_address), "", NULL,
	  "addresses of this host that relay, at most one of each family; empty: those of Listen, else the primary ones" },
	{ "Server.ExternalAddress", &conf_addrs, F(external_address), "", NULL,
	  "what clients are told instead of RelayAddress behind a 1:1 NAT, at most one of each family" },
	{ "Server.AlternateAddress", &conf_addr, F(alternate_address), "", NULL,
	  "a second address, with a second port, for NAT behaviour discovery (RFC 5780); empty: none" },
	{ "Server.Realm", &conf_text, F(realm), "oxpulse", NULL, "realm of all credentials" },
	{ "Server.SecretFile", &conf_texts, F(secret_file), "", NULL,
	  "files or credentials with the shared secrets of time-limited passwords, one per line, the newest first" },
	{ "Server.Certificate", &conf_text, F(certificate), "", NULL, "file or credential: certificate chain (PEM)" },
	{ "Server.PrivateKey", &conf_text, F(private_key), "", NULL, "file or credential: its key (PEM)" },
	{ "Server.MinPort", &conf_port, F(min_port), "49152", NULL, "first relay port" },
	{ "Server.MaxPort", &conf_port, F(max_port), "65535", NULL, "last relay port" },
	{ "Server.Workers", &conf_u32, F(workers), "0", NULL, "threads; 0: one per processor" },
	{ "Server.Software", &conf_bool, F(software), "no", NULL, "tell the program's name (SOFTWARE) in responses" },
	{ "Server.TcpRelay", &conf_bool, F(tcp_relay), "yes", NULL, "relay TCP to peers, too (RFC 6062)" },
	{ "Server.Mobility", &conf_bool, F(mobility), "yes", NULL,
	  "let clients keep their allocation when their address changes (RFC 8016)" },
	{ "Server.ReceiveBuffer", &conf_u32, F(receive_buffer), "4194304", NULL,
	  "bytes of receive buffer of a listening UDP socket" },
	{ "Server.SendBuffer", &conf_u32, F(send_buffer), "4194304", NULL,
	  "bytes of send buffer of a listening UDP socket" },
	{ "Server.Coalesce", &conf_duration, F(coalesce), "1ms", NULL,
	  "under load, and where that costs less, look for datagrams this often instead of waking up for each; 0: never" },
	{ "Policy.AllowPeer", &conf_addr_set, F(allow_peer), "", NULL,
	  "addresses to relay to although they are not global, any port; several lines add up" },
	{ "Policy.DenyPeer", &conf_prefixes, F(deny_peer), "", NULL,
	  "addresses and prefixes never to relay to; several lines add up" },
	{ "Policy.UserQuota", &conf_u32, F(user_quota), "16", NULL, "allocations of one user name; 0: no limit" },
	{ "Policy.TotalQuota", &conf_u32, F(total_quota), "4096", NULL, "allocations in total; 0: no limit" },
	{ "Policy.MaxBps", &conf_u64, F(max_bps), "0", NULL,
	  "bytes per second of one allocation, both directions together; 0: no limit" },
	{ "Policy.TotalBps", &conf_u64, F(total_bps), "0", NULL, "bytes per second of all allocations; 0: no limit" },
	{ "Policy.MaxLifetime", &conf_duration, F(max_lifetime), "1h", NULL, "what an allocation may ask for at most" },
	{ "Policy.ProbeLifetime", &conf_duration, F(probe_lifetime), "2m", NULL,
	  "the same for health probes (user id " TURN_PROBE_ID ")" },
	{ "Policy.MaxPermissions", &conf_u32, F(max_permissions), "64", NULL, "permissions of one allocation" },
	{ "Policy.MaxChannels", &conf_u32, F(max_channels), "64", NULL, "channels of one allocation" },
	{ "Policy.DrainLimit", &conf_duration, F(drain_limit), "1h", NULL, "a drain ends after this long at the latest" },
	{ "Metrics.Port", &conf_port, F(metrics_port), "9641", NULL, "TCP port of /metrics" },
	{ "Metrics.Bind", &conf_addr, F(metrics_bind), "127.0.0.1", NULL, "its address" },
	{ "Control.Socket", &conf_text, F(control_socket), "/run/oxpulse-partner-edge/turnd", NULL,
	  "Varlink socket; none: no control" },
	{ "Control.HealthUser", &conf_text, F(health_user), "oxpulse-healthd", NULL,
	  "user that may read status, sessions and metrics" },
	{ "Control.RefreshUser", &conf_text, F(refresh_user), "oxpulse-refreshd", NULL,
	  "user that may reload and drain" },
	{ "Log.Level", &conf_text, F(log_level), "info", NULL,
	  "emerg, alert, crit, err, warning, notice, info or debug" },
	{ 0 },
};

static int refuse(const char *key, const char *why)
{
	log_at(LOG_ERR, NULL, "%s: %s", key, why);
	return ERR_MALFORMED;
}

/* --- addresses ---------------------------------------------------------------------------------------- */

/* [::] takes IPv4, too: beside it 0.0.0.0 of the same port is no second socket. Without IPv6 it is the other way round. */
static void listen_fix(struct conf_addr_list *l, uint16_t port)
{
	bool v6 = host_has_v6();
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		struct addr a = l->a[i];
		bool again = false;

		a.port = a.port ? a.port : port;
		if (!v6 && addr_is_any(&a))
			a = addr_v4(0, 0, 0, 0, a.port);
		for (uint32_t k = 0; k < l->n; k++) {
			const struct addr *o = &l->a[k];
			uint16_t at = o->port ? o->port : port;
			bool covers = v6 && k != i && addr_is_any(&a) && addr_is_v4(&a) && addr_is_any(o) && !addr_is_v4(o);

			again |= at == a.port && (covers || (k < n && addr_same_ip(o, &a)));
		}
		if (!again)
			l->a[n++] = a;
	}
	memset(&l->a[n], 0, (CONF_LIST_MAX - n) * sizeof(l->a[0]));
	l->n = n;
}

/* The first address of a family, or NULL. */
static const struct addr *first_of(const struct conf_addr_list *l, bool v4)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (addr_is_v4(&l->a[i]) == v4 && !addr_is_any(&l->a[i]))
			return &l->a[i];
	}
	return NULL;
}

static int one_per_family(const char *key, const struct conf_addr_list *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (addr_is_any(&l->a[i]) || l->a[i].port)
			return refuse(key, "addresses of this host, without a port");
		if (!addr_eq(first_of(l, addr_is_v4(&l->a[i])), &l->a[i]))
			return refuse(key, "one IPv4 and one IPv6 address at most");
	}
	return 0;
}

static int family_of(bool v4)
{
	return v4 ? REL_V4 : REL_V6;
}

static int derive_relay(struct turnd_conf *c, bool v4)
{
	struct turn_relay *t = &c->turn.relay[family_of(v4)];
	const struct addr *external = first_of(&c->external_address, v4);
	const struct addr *at = first_of(&c->relay_address, v4);
	bool specific = first_of(&c->listen, true) || first_of(&c->listen, false);
	char text[ADDR_TEXT_MAX], told[ADDR_TEXT_MAX];

	if (!at && c->relay_address.n == 0)
		at = first_of(&c->listen, v4);
	if (at)
		t->at = *at;
	else if (c->relay_address.n || specific || !host_primary(v4, &t->at))
		t->at = (struct addr){ 0 };
	t->at.port = 0;
	if (addr_is_unset(&t->at))
		return external ? refuse("Server.ExternalAddress", "no relay address of that family") : 0;
	if (external)
		t->external = *external;
	log_debug("relaying on %s%s%s", addr_fmt(&t->at, text), external ? ", told as " : "",
		  external ? addr_fmt(external, told) : "");
	return 0;
}

static int derive_relays(struct turnd_conf *c)
{
	const struct turn_relay *relay = c->turn.relay;
	int r;

	r = one_per_family("Server.RelayAddress", &c->relay_address);
	if (r == 0)
		r = one_per_family("Server.ExternalAddress", &c->external_address);
	if (r == 0)
		r = derive_relay(c, true);
	if (r == 0)
		r = derive_relay(c, false);
	if (r == 0 && addr_is_unset(&relay[REL_V4].at) && addr_is_unset(&relay[REL_V6].at))
		return refuse("Server.RelayAddress", "this host has no route to the Internet: name the address to relay on");
	return r;
}

static int add_listen(struct turnd_conf *c, const char *key, struct addr a)
{
	struct peer_policy *p = &c->turn.policy;

	if (a.port >= c->min_port && a.port <= c->max_port)
		return refuse(key, "a listening port between MinPort and MaxPort, which are for relaying");
	if (p->n_listen < POLICY_OWN_MAX)
		p->listen[p->n_listen++] = a;
	return 0;
}

/* RFC 5780: the first specific address of Listen and the alternate one, each with both ports. */
static int derive_alternate(struct turnd_conf *c)
{
	struct addr other = c->alternate_address;
	const struct addr *first = first_of(&c->listen, addr_is_v4(&other));
	struct addr a;
	int r;

	if (addr_is_unset(&other))
		return 0;
	if (!first || addr_is_any(&other) || addr_same_ip(first, &other))
		return refuse("Server.AlternateAddress", "Listen must name another address of the same family");
	if (other.port == 0)
		other.port = (uint16_t)(first->port + 1);
	if (other.port == first->port)
		return refuse("Server.AlternateAddress", "its port must be another one than that of Listen");
	c->turn.first = *first;
	c->turn.other = other;
	a = *first;
	a.port = other.port;
	r = add_listen(c, "Server.AlternateAddress", a);
	if (r == 0)
		r = add_listen(c, "Server.AlternateAddress", other);
	a = other;
	a.port = first->port;
	return r < 0 ? r : add_listen(c, "Server.AlternateAddress", a);
}

static int derive_listen(struct turnd_conf *c)
{
	const struct addr every = { .port = TURND_TLS_PORT };
	int r = 0;

	if (c->certificate[0] && c->listen_tls.n == 0)
		c->listen_tls = (struct conf_addr_list){ .a[0] = every, .n = 1 };
	if (!c->certificate[0] != !c->private_key[0])
		return refuse("Server.Certificate", "goes together with PrivateKey: set both or none");
	if (!c->certificate[0] && (c->listen_tls.n || c->turns_socket[0]))
		return refuse(c->listen_tls.n ? "Server.ListenTls" : "Server.TurnsSocket", "needs Certificate and PrivateKey");
	listen_fix(&c->listen, TURND_PORT);
	listen_fix(&c->listen_tls, TURND_TLS_PORT);
	for (uint32_t i = 0; r == 0 && i < c->listen.n; i++)
		r = add_listen(c, "Server.Listen", c->listen.a[i]);
	for (uint32_t i = 0; r == 0 && i < c->listen_tls.n; i++)
		r = add_listen(c, "Server.ListenTls", c->listen_tls.a[i]);
	return r < 0 ? r : derive_alternate(c);
}

/* --- whom we relay to --------------------------------------------------------------------------------- */

static void own_add(struct peer_policy *p, const struct addr *a)
{
	if (p->n_own < POLICY_OWN_MAX)
		p->own[p->n_own++] = *a;
}

/* Those that a policy of global addresses refuses anyway come last. */
static int derive_own(struct peer_policy *p)
{
	struct addr all[HOST_ADDRS_MAX];
	bool more;
	int n = host_addrs(all, HOST_ADDRS_MAX, &more);

	if (n < 0)
		return log_err(n, "addresses of this host");
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n; i++) {
			if ((addr_classify(&all[i]) == ADDR_LINK_LOCAL) == (pass == 1))
				own_add(p, &all[i]);
		}
	}
	if (more || n > POLICY_OWN_MAX)
		log_warn("this host has more than %d addresses; deny the others with Policy.DenyPeer", POLICY_OWN_MAX);
	return 0;
}

static int derive_policy(struct turnd_conf *c)
{
	struct peer_policy *p = &c->turn.policy;
	struct addr metrics = c->metrics_bind;

	p->min_port = c->min_port;
	p->max_port = c->max_port;
	metrics.port = c->metrics_port;
	if (p->n_listen < POLICY_OWN_MAX)
		p->listen[p->n_listen++] = metrics;
	for (int i = 0; i < REL_MAX_; i++) {
		const struct turn_relay *t = &c->turn.relay[i];

		if (!addr_is_unset(&t->at))
			p->relay[p->n_relay++] = t->at;
		if (!addr_is_unset(&t->external))
			p->relay[p->n_relay++] = t->external;
	}
	for (uint32_t i = 0; i < c->allow_peer.n; i++) {
		p->allow[p->n_allow] = c->allow_peer.a[i];
		p->allow[p->n_allow++].port = 0;
	}
	for (uint32_t i = 0; i < c->deny_peer.n; i++) {
		p->deny[p->n_deny].net = c->deny_peer.p[i].ip;
		p->deny[p->n_deny++].len = c->deny_peer.p[i].len;
	}
	return derive_own(p);
}

/* --- secrets ------------------------------------------------------------------------------------------ */

static struct span trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static int add_secrets(struct turnd_conf *c, const char *name, struct span text)
{
	for (size_t at = 0, end; at < text.n; at = end + 1) {
		struct span line;

		for (end = at; end < text.n && text.p[end] != '\n';)
			end++;
		line = trim(span_of(text.p + at, end - at));
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (c->n_secrets == TURN_SECRETS_MAX) {
			log_warn("Server.SecretFile %s: more than %d secrets; the others do not count", name, TURN_SECRETS_MAX);
			return 0;
		}
		if (secret_set(&c->secret[c->n_secrets], line) < 0)
			return log_err(ERR_LIMIT, "Server.SecretFile %s: a secret is longer than %d bytes", name, SECRET_MAX);
		c->n_secrets++;
	}
	return 0;
}

static int load_secrets(struct turnd_conf *c)
{
	char text[8192];
	size_t n;
	int r = 0;

	if (c->secret_file.n == 0)
		return refuse("Server.SecretFile", "without a secret nobody can authenticate: name a file with one");
	for (uint32_t i = 0; r == 0 && i < c->secret_file.n; i++) {
		const char *name = c->secret_file.t[i];

		r = conf_file_private(name, text, sizeof(text), &n);
		if (r < 0)
			log_err(r, "Server.SecretFile %s%s", name, r == -EPERM ? " (chmod o= it)" : "");
		else
			r = add_secrets(c, name, span_of(text, n));
	}
	wipe(text, sizeof(text));
	if (r == 0 && c->n_secrets == 0)
		return refuse("Server.SecretFile", "no secret in it, one per line: nobody could authenticate");
	return r;
}

/* --- all of it ---------------------------------------------------------------------------------------- */

static int derive_limits(struct turnd_conf *c)
{
	struct turn_conf *t = &c->turn;
	uint32_t ports = (uint32_t)(c->max_port - c->min_port) + 1;

	if (c->min_port == 0 || c->min_port > c->max_port)
		return refuse("Server.MinPort", "must be at least 1 and not above MaxPort");
	if (strlen(c->realm) >= TURN_REALM_MAX)
		return refuse("Server.Realm", "longer than 127 bytes");
	if (c->max_lifetime < US_PER_SEC || c->probe_lifetime < US_PER_SEC)
		return refuse("Policy.MaxLifetime", "MaxLifetime and ProbeLifetime are at least a second");
	strcpy(t->realm, c->realm);
	t->min_port = c->min_port;
	t->max_port = c->max_port;
	t->software = c->software;
	t->max_bps = c->max_bps;
	t->max_life = c->max_lifetime;
	t->probe_life = c->probe_lifetime;
	t->default_life = DEFAULT_LIFE < c->max_lifetime ? DEFAULT_LIFE : c->max_lifetime;
	t->nonce_life = NONCE_LIFE;
	t->max_allocs = 2 * ports; /* a TCP and a UDP allocation may have one number each */
	t->max_perms = c->max_permissions;
	t->max_channels = c->max_channels;
	t->max_streams = STREAMS_MAX;
	t->udp_relay = true;
	t->tcp_relay = c->tcp_relay;
	t->mobility = c->mobility;
	return 0;
}

static int derive(struct turnd_conf *c)
{
	int r;

	if (log_level_parse(c->log_level, &c->level) < 0) {
		log_warn("Log.Level: \"%s\" is not a level; using info", c->log_level);
		c->level = LOG_INFO;
	}
	r = derive_limits(c);
	if (r == 0)
		r = derive_listen(c);
	if (r == 0)
		r = derive_relays(c);
	if (r == 0)
		r = derive_policy(c);
	if (r == 0)
		r = load_secrets(c);
	c->turn.n_secrets = c->n_secrets;
	return r;
}

static int apply_file(const char *path, struct span text, void *arg)
{
	struct conf_diag diag = { 0 };
	int r = conf_apply(turnd_keys, path, text, arg, &diag);

	if (r < 0)
		log_at(LOG_ERR, NULL, "%s:%u: %s", path, diag.line, diag.text);
	return r;
}

int turnd_conf_load(const char *path, struct turnd_conf *ret)
{
	CLEANUP(turnd_conf_done) struct turnd_conf c = { 0 };
	struct conf_diag diag = { 0 };
	int r = conf_defaults(turnd_keys, &c, &diag);

	if (r < 0)
		return refuse("built-in defaults", diag.text);
	r = conf_file_each(path ? path : TURND_CONF_PATH, path == NULL, apply_file, &c);
	if (r < 0 && r != ERR_MALFORMED)
		log_err(r, "reading %s", path ? path : TURND_CONF_PATH);
	if (r == 0)
		r = derive(&c);
	if (r < 0)
		return r;
	*ret = c;
	ret->turn.secret = ret->secret;
	return 0;
}

void turnd_conf_done(struct turnd_conf *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->secret); i++)
		secret_done(&c->secret[i]);
	c->n_secrets = 0;
	c->turn.n_secrets = 0;
}

static bool is_frozen(const char *key)
{
	static const char *const frozen[] = {
		"Server.Listen", "Server.ListenTls", "Server.TurnsSocket", "Server.RelayAddress",
		"Server.ExternalAddress", "Server.AlternateAddress",
		"Server.MinPort", "Server.MaxPort", "Server.Workers", "Server.ReceiveBuffer", "Server.SendBuffer",
		"Metrics.Port", "Metrics.Bind", "Control.Socket", "Control.HealthUser", "Control.RefreshUser",
	};

	for (size_t i = 0; i < ARRAY_LEN(frozen); i++) {
		if (strcmp(frozen[i], key) == 0)
			return true;
	}
	return false;
}

void turnd_conf_frozen(const struct turnd_conf *old, const struct turnd_conf *new, struct wr *w)
{
	for (const struct conf_key *k = turnd_keys; k->key; k++) {
		if (!is_frozen(k->key) || memcmp((const char *)old + k->at, (const char *)new + k->at, k->type->size) == 0)
			continue;
		wr_str(w, wr_len(w) ? " " : "");
		wr_str(w, k->key);
	}
}

void turnd_conf_keep(const struct turnd_conf *old, struct turnd_conf *new)
{
	const struct peer_policy *was = &old->turn.policy;
	struct peer_policy *p = &new->turn.policy;

	for (const struct conf_key *k = turnd_keys; k->key; k++) {
		if (is_frozen(k->key))
			memcpy((char *)new + k->at, (const char *)old + k->at, k->type->size);
	}
	memcpy(new->turn.relay, old->turn.relay, sizeof(new->turn.relay));
	memcpy(p->listen, was->listen, sizeof(p->listen));
	memcpy(p->relay, was->relay, sizeof(p->relay));
	p->n_listen = was->n_listen;
	p->n_relay = was->n_relay;
	new->turn.min_port = p->min_port = old->min_port;
	new->turn.max_port = p->max_port = old->max_port;
	new->turn.max_allocs = old->turn.max_allocs;
	new->turn.first = old->turn.first;
	new->turn.other = old->turn.other;
	memcpy(new->turn.nonce_key, old->turn.nonce_key, sizeof(new->turn.nonce_key));
	memcpy(new->turn.ticket_key, old->turn.ticket_key, sizeof(new->turn.ticket_key));
}
