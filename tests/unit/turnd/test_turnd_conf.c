/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/turnd_conf.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/host_addrs.h"
#include "sys/log.h"
#include "t.h"

#define BASE "[Server]\nListen=192.0.2.1\nSecretFile=%s/secret\n"

static char dir[32], logged[8192];
static struct turnd_conf conf;

static const char *at(const char *name)
{
	static char path[2][128];
	static unsigned turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(at(name), "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(at(name), mode) < 0)
		abort();
}

/* turnd.conf: an address, a secret, and what else the row wants. */
static void put_conf(const char *more)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), BASE, dir);

	snprintf(text + n, sizeof(text) - (size_t)n, "%s", more);
	put("turnd.conf", text, 0644);
}

static void start(void)
{
	unsetenv("CREDENTIALS_DIRECTORY");
	unsetenv("JOURNAL_STREAM");
	strcpy(dir, "/tmp/turnd-conf-XXXXXX");
	if (!mkdtemp(dir) || mkdir(at("turnd.conf.d"), 0755) < 0)
		abort();
	put("secret", "one\n", 0600);
	put_conf("");
}

static void finish(void)
{
	char cmd[64];

	turnd_conf_done(&conf);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
}

/* Loads, and keeps what was logged meanwhile. */
static int load(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC), old = dup(STDERR_FILENO), r;
	ssize_t n;

	if (fd < 0 || old < 0)
		abort();
	dup2(fd, STDERR_FILENO);
	turnd_conf_done(&conf);
	r = turnd_conf_load(at("turnd.conf"), &conf);
	dup2(old, STDERR_FILENO);
	n = pread(fd, logged, sizeof(logged) - 1, 0);
	logged[n < 0 ? 0 : n] = '\0';
	close(fd);
	close(old);
	return r;
}

static bool said(const char *what)
{
	return strstr(logged, what) != NULL;
}

static const char *text_of(const struct addr *a)
{
	static char text[4][ADDR_TEXT_MAX];
	static unsigned turn;

	return addr_is_unset(a) ? "-" : addr_fmt(a, text[turn++ % 4]);
}

/* An address and a secret are enough; the rest has the defaults of the table, and the core gets them. */
static void defaults(void)
{
	const struct turn_conf *t = &conf.turn;

	start();
	EQ(load(), 0);
	EQ_STR(logged, "");
	EQ(conf.listen.n, 1);
	EQ_STR(text_of(&conf.listen.a[0]), "192.0.2.1:3478");
	EQ(conf.listen_tls.n, 0);
	EQ_STR(t->realm, "oxpulse");
	EQ(t->min_port, 49152);
	EQ(t->max_port, 65535);
	EQ(conf.user_quota, 16);
	EQ(conf.total_quota, 4096);
	EQ(t->max_bps, 0);
	EQ(conf.total_bps, 0);
	EQ(t->max_life, DUR_SEC(3600));
	EQ(t->probe_life, DUR_SEC(120));
	EQ(t->default_life, DUR_SEC(600));
	EQ(t->max_perms, 64);
	EQ(t->max_channels, 64);
	OK(t->udp_relay && t->tcp_relay && t->mobility && !t->software);
	EQ(conf.workers, 0);
	EQ(conf.metrics_port, 9641);
	EQ(conf.level, LOG_INFO);
	EQ(t->n_secrets, 1);
	OK(t->secret == conf.secret);
	OK(addr_is_unset(&t->other));
	finish();
}

/* Where clients reach us: ports are added, an address is listened to once, and 0.0.0.0 is part of [::]. */
static void listening(void)
{
	const bool v6 = host_has_v6();
	const struct {
		const char *row, *file, *want;
	} rows[] = {
		{ "default: ", "Listen=\n", v6 ? "[::]:3478" : "0.0.0.0:3478" },
		{ "port: ", "Listen=192.0.2.1:99\n", "192.0.2.1:99" },
		{ "both: ", "Listen=192.0.2.1 2001:db8::1\n", "192.0.2.1:3478 [2001:db8::1]:3478" },
		{ "twice: ", "Listen=192.0.2.1 192.0.2.1:3478 192.0.2.1:1\n", "192.0.2.1:3478 192.0.2.1:1" },
		{ "any: ", "Listen=0.0.0.0\n", "0.0.0.0:3478" },
		{ "both any: ", "Listen=0.0.0.0 [::]:3478\n", v6 ? "[::]:3478" : "0.0.0.0:3478" },
		{ "other ports: ", "Listen=0.0.0.0 [::]:1\n", v6 ? "0.0.0.0:3478 [::]:1" : "0.0.0.0:3478 0.0.0.0:1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "", more[256];
		struct wr w = wr_from(text, sizeof(text) - 1);

		t_row = rows[i].row;
		start();
		snprintf(more, sizeof(more), "%sRelayAddress=192.0.2.1\n", rows[i].file);
		put_conf(more);
		EQ(load(), 0);
		for (uint32_t k = 0; k < conf.listen.n; k++) {
			wr_str(&w, k ? " " : "");
			wr_str(&w, text_of(&conf.listen.a[k]));
		}
		EQ_STR(text, rows[i].want);
		finish();
	}
}

/* Where we relay: RelayAddress, else what Listen names; a family without one is not served. */
static void relaying(void)
{
	static const struct {
		const char *row, *file, *v4, *v6, *told;
	} rows[] = {
		{ "listen: ", "", "192.0.2.1", "-", "-" },
		{ "both: ", "Listen=192.0.2.1 2001:db8::1\n", "192.0.2.1", "2001:db8::1", "-" },
		{ "named: ", "RelayAddress=192.0.2.7\n", "192.0.2.7", "-", "-" },
		{ "named v6: ", "RelayAddress=2001:db8::7\n", "-", "2001:db8::7", "-" },
		{ "nat: ", "RelayAddress=10.0.0.1\nExternalAddress=198.51.100.7\n", "10.0.0.1", "-", "198.51.100.7" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		start();
		put_conf(rows[i].file);
		EQ(load(), 0);
		EQ_STR(text_of(&conf.turn.relay[REL_V4].at), rows[i].v4);
		EQ_STR(text_of(&conf.turn.relay[REL_V6].at), rows[i].v6);
		EQ_STR(text_of(&conf.turn.relay[REL_V4].external), rows[i].told);
		finish();
	}
}

/* What cannot work ends the start, and the line says why. */
static void refusals(void)
{
	static const struct {
		const char *file, *why;
	} rows[] = {
		{ "Listen=192.0.2.1:50000\n", "Server.Listen: a listening port between MinPort and MaxPort" },
		{ "MinPort=3000\nMaxPort=4000\n", "Server.Listen: a listening port between MinPort and MaxPort" },
		{ "MinPort=60000\nMaxPort=50000\n", "Server.MinPort" },
		{ "MinPort=0\n", "Server.MinPort" },
		{ "RelayAddress=192.0.2.1 192.0.2.2\n", "Server.RelayAddress: one IPv4 and one IPv6" },
		{ "RelayAddress=192.0.2.1:5\n", "Server.RelayAddress: addresses of this host, without a port" },
		{ "RelayAddress=0.0.0.0\n", "Server.RelayAddress: addresses of this host" },
		{ "ExternalAddress=2001:db8::1\n", "Server.ExternalAddress: no relay address of that family" },
		{ "ListenTls=192.0.2.1\n", "Server.ListenTls: needs Certificate and PrivateKey" },
		{ "TurnsSocket=/run/x\n", "Server.TurnsSocket: needs Certificate and PrivateKey" },
		{ "Certificate=/x\n", "Server.Certificate: goes together with PrivateKey" },
		{ "AlternateAddress=192.0.2.1:9\n", "Server.AlternateAddress: Listen must name another address" },
		{ "AlternateAddress=2001:db8::1\n", "Server.AlternateAddress: Listen must name another address" },
		{ "AlternateAddress=192.0.2.2:3478\n", "Server.AlternateAddress: its port must be another one" },
		{ "AlternateAddress=192.0.2.2:50000\n", "Server.AlternateAddress: a listening port between" },
		{ "[Policy]\nMaxLifetime=0\n", "Policy.MaxLifetime" },
		{ "[Policy]\nDenyPeer=10.0.0.0/33\n", "turnd.conf:5: Policy.DenyPeer" },
		{ "[Policy]\nAllowPer=10.0.0.1\n", "turnd.conf:5: unknown key Policy.AllowPer; did you mean Policy.AllowPeer?" },
		{ "Listen=here\n", "turnd.conf:4: Server.Listen: not an address" },
		{ "SecretFile=\n", "Server.SecretFile: without a secret nobody can authenticate" },
	};
	struct turnd_conf before;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].file;
		start();
		EQ(load(), 0);
		before = conf;
		put_conf(rows[i].file);
		turnd_conf_done(&before); /* load() does the same to conf */
		EQ(load(), ERR_MALFORMED);
		OK(said(rows[i].why));
		OK(memcmp(&before, &conf, sizeof(conf)) == 0);
		finish();
	}
}

/* A certificate makes TLS listen; both are needed, and more than the default port may be asked for. */
static void tls(void)
{
	start();
	put_conf("Certificate=/c\nPrivateKey=/k\n");
	EQ(load(), 0);
	EQ(conf.listen_tls.n, 1);
	EQ(conf.listen_tls.a[0].port, 5349);
	put_conf("Certificate=/c\nPrivateKey=/k\nListenTls=192.0.2.1:443\n");
	EQ(load(), 0);
	EQ_STR(text_of(&conf.listen_tls.a[0]), "192.0.2.1:443");
	finish();
}

/* RFC 5780: the alternate address with another port; the listening sockets of the policy are all four. */
static void alternate(void)
{
	start();
	put_conf("AlternateAddress=192.0.2.2\n[Metrics]\nBind=127.0.0.1\nPort=9\n");
	EQ(load(), 0);
	EQ_STR(text_of(&conf.turn.first), "192.0.2.1:3478");
	EQ_STR(text_of(&conf.turn.other), "192.0.2.2:3479");
	EQ(conf.turn.policy.n_listen, 5);
	EQ_STR(text_of(&conf.turn.policy.listen[4]), "127.0.0.1:9"); /* nor does TCP reach the metrics */
	finish();
}

/* One secret per line, the newest first, over all files; four are enough. None is ever printed. */
static void secrets(void)
{
	static const struct {
		const char *row, *text;
		uint32_t n;
	} rows[] = {
		{ "one: ", "abc", 1 },
		{ "comments: ", "# new\n\nabc\n \t\n  # old\n def \r\n", 2 },
		{ "four: ", "abc\ndef\n3\n4\n", 4 },
		{ "more: ", "abc\ndef\n3\n4\n5\n", 4 },
	};
	char more[256];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		start();
		put("secret", rows[i].text, 0640);
		EQ(load(), 0);
		EQ(conf.n_secrets, rows[i].n);
		EQ_SPAN(secret_span(&conf.secret[0]), SPAN_LIT("abc"));
		if (rows[i].n > 1)
			EQ_SPAN(secret_span(&conf.secret[1]), SPAN_LIT("def"));
		finish();
	}
	t_row = "";
	start();
	put("secret", "topsecret\n", 0644);
	OK(load() < 0);
	OK(said("SecretFile") && said("chmod o=") && !said("topsecret"));
	put("secret", "# nothing\n", 0600);
	EQ(load(), ERR_MALFORMED);
	OK(said("no secret in it"));
	put("secret", "new\n", 0600);
	put("turn-secret", "old\n", 0440);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	snprintf(more, sizeof(more), "SecretFile=turn-secret\n");
	put_conf(more);
	EQ(load(), 0);
	EQ(conf.n_secrets, 2);
	EQ_SPAN(secret_span(&conf.secret[0]), SPAN_LIT("new"));
	EQ_SPAN(secret_span(&conf.secret[1]), SPAN_LIT("old"));
	finish();
	EQ(conf.n_secrets, 0);
	EQ(conf.secret[0].n, 0);
}

/* Lists of several lines add up, and the policy has them. This host's addresses are in it. */
static void policy(void)
{
	const struct peer_policy *p = &conf.turn.policy;
	const struct addr lo = addr_v4(127, 0, 0, 1, 0);
	bool has_lo = false;

	start();
	put_conf("[Policy]\nAllowPeer=10.0.0.1 10.0.0.2\nAllowPeer=fd00::1\nDenyPeer=8.8.8.0/24\nDenyPeer=2001:db8::/32\n");
	EQ(load(), 0);
	EQ(p->n_allow, 3);
	EQ_STR(text_of(&p->allow[2]), "fd00::1");
	EQ(p->n_deny, 2);
	EQ(p->deny[1].len, 32);
	EQ(p->n_relay, 1);
	EQ(p->min_port, 49152);
	for (uint32_t i = 0; i < p->n_own; i++)
		has_lo |= addr_same_ip(&p->own[i], &lo);
	OK(has_lo);
	EQ(peer_policy(p, &lo), PEER_FORBIDDEN);
	EQ(peer_policy(p, &p->allow[0]), PEER_OK);
	finish();
}

/* What --dump prints is a file that means the same. */
static void dump_parses_back(void)
{
	static char first[16384], second[16384];
	struct wr w = wr_from(first, sizeof(first) - 1);

	start();
	put_conf("ListenTls=192.0.2.1\nCertificate=/c\nPrivateKey=/k\nRealm=a b\nMinPort=50000\nWorkers=3\nTcpRelay=no\n"
		 "AlternateAddress=192.0.2.2\n[Policy]\nAllowPeer=10.0.0.1\nDenyPeer=8.8.8.0/24\nMaxBps=5000000000\n"
		 "ProbeLifetime=90s\n[Control]\nSocket=none\n[Log]\nLevel=debug\n");
	EQ(load(), 0);
	conf_dump(&w, turnd_keys, &conf);
	OK(!w.bad);
	put("turnd.conf", first, 0644);
	EQ(load(), 0);
	w = wr_from(second, sizeof(second) - 1);
	conf_dump(&w, turnd_keys, &conf);
	EQ_STR(second, first);
	EQ(conf.turn.max_bps, UINT64_C(5000000000));
	EQ(conf.level, LOG_DEBUG);
	finish();
}

/* A reload says which of the changed keys need a restart, and leaves these as they are, the core's view included. */
static void frozen_keys_are_named_and_kept(void)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{ "", "" },
		{ "[Policy]\nUserQuota=9\nMaxBps=1\nAllowPeer=10.0.0.1\n[Log]\nLevel=debug\n", "" },
		{ "Listen=192.0.2.9\n", "Server.Listen" },
		{ "MinPort=50000\nMaxPort=50001\nWorkers=9\n", "Server.MinPort Server.MaxPort Server.Workers" },
		{ "RelayAddress=192.0.2.3\nExternalAddress=192.0.2.4\n", "Server.RelayAddress Server.ExternalAddress" },
		{ "AlternateAddress=192.0.2.2\n[Metrics]\nPort=1\n[Control]\nSocket=/x\n",
		  "Server.AlternateAddress Metrics.Port Control.Socket" },
	};
	struct turnd_conf old;

	start();
	EQ(load(), 0);
	old = conf;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "";
		struct wr w = wr_from(text, sizeof(text) - 1);

		t_row = rows[i].file;
		put_conf(rows[i].file);
		EQ(load(), 0);
		turnd_conf_frozen(&old, &conf, &w);
		EQ_STR(text, rows[i].want);
		turnd_conf_keep(&old, &conf);
		w = wr_from(text, sizeof(text) - 1);
		turnd_conf_frozen(&old, &conf, &w);
		EQ(wr_len(&w), 0);
		EQ(conf.turn.min_port, 49152);
		EQ(conf.turn.policy.max_port, 65535);
		EQ_STR(text_of(&conf.turn.relay[REL_V4].at), "192.0.2.1");
		EQ(conf.turn.policy.n_listen, old.turn.policy.n_listen);
		OK(addr_is_unset(&conf.turn.other));
	}
	t_row = "";
	EQ(conf.turn.policy.n_allow, 0);
	finish();
}

T_MAIN(T(defaults), T(listening), T(relaying), T(refusals), T(tls), T(alternate), T(secrets), T(policy),
       T(dump_parses_back), T(frozen_keys_are_named_and_kept))
