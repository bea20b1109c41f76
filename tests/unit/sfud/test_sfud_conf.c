/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/sfud_conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "t.h"

#define PEM                                                                                            \
	"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"         \
	"-----END PUBLIC KEY-----\n"

static char dir[32];
static struct sfud_conf conf;

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

/* An empty sfud.conf, and none of the variables. */
static void start(void)
{
	for (const struct conf_key *k = sfud_keys; k->key; k++)
		if (k->env)
			unsetenv(k->env);
	unsetenv("SIGNALING_SFU_SECRET");
	unsetenv("SFU_SIGNING_PUBLIC_KEY");
	unsetenv("CREDENTIALS_DIRECTORY");
	unsetenv("JOURNAL_STREAM");
	strcpy(dir, "/tmp/sfud-conf-XXXXXX");
	if (!mkdtemp(dir) || mkdir(at("sfud.conf.d"), 0755) < 0)
		abort();
	put("sfud.conf", "", 0644);
}

static void finish(void)
{
	char cmd[64];

	sfud_conf_done(&conf);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
}

/* Loads, and keeps what was logged meanwhile. */
static char logged[8192];

static int load(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC), old = dup(STDERR_FILENO), r;
	ssize_t n;

	if (fd < 0 || old < 0)
		abort();
	dup2(fd, STDERR_FILENO);
	sfud_conf_done(&conf);
	r = sfud_conf_load(at("sfud.conf"), &conf);
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

/* One key's value as --dump writes it. */
static const char *value(const struct sfud_conf *c, const char *key)
{
	static char text[2 * CONF_TEXT_MAX];
	struct wr w = wr_from(text, sizeof(text) - 1);

	for (const struct conf_key *k = sfud_keys; k->key; k++)
		if (strcmp(k->key, key) == 0)
			k->type->write(&w, (const char *)c + k->at);
	text[wr_len(&w)] = '\0';
	return text;
}

static const char *candidate(uint32_t i)
{
	static char text[ADDR_TEXT_MAX];

	return i < conf.sfu.n_candidates ? addr_fmt(&conf.sfu.candidate[i], text) : "none";
}

/* Without a file and variables every key has the default of the table, nothing is secret and media goes nowhere. */
static void defaults(void)
{
	char text[ADDR_TEXT_MAX];

	start();
	EQ(load(), 0);
	EQ(conf.media_port, 7878);
	EQ(conf.signal_port, 8920);
	EQ(conf.metrics_port, 9317);
	EQ_STR(addr_fmt(&conf.media_bind, text), "0.0.0.0:7878");
	EQ_STR(addr_fmt(&conf.signal_bind, text), "127.0.0.1:8920");
	EQ_STR(addr_fmt(&conf.metrics_bind, text), "127.0.0.1:9317");
	EQ(conf.max_participants, 50);
	EQ(conf.sfu.solo_kick, DUR_SEC(120));
	EQ(conf.sfu.bwe_hint_gap, DUR_MS(100));
	EQ(conf.ping, DUR_SEC(15));
	EQ(conf.max_message, 131072);
	EQ(conf.hs256_fallback, true);
	EQ_STR(conf.edge_id, "local");
	EQ(conf.level, LOG_INFO);
	EQ(conf.secret.n, 0);
	EQ(conf.has_ed25519, false);
	OK(sfud_conf_keys(&conf).ed25519 == NULL);
	EQ(conf.sfu.n_candidates, 0);
	OK(said("no address to advertise"));
	finish();
}

/* Variables of the existing system: each is mapped to its key; each counts as unset when it is empty. */
static void variables(void)
{
	static const struct {
		const char *env, *text, *key, *want;
	} rows[] = {
		{ "SFU_UDP_PORT", "3478", "Media.Port", "3478" },
		{ "SFU_BIND_ADDRESS", "192.0.2.1", "Media.Bind", "192.0.2.1:7878" },
		{ "SFU_PUBLIC_IP", "198.51.100.7", "Media.PublicAddress", "198.51.100.7" },
		{ "SFU_LOCAL_IP", "10.0.0.2", "Media.LocalAddress", "10.0.0.2" },
		{ "SFU_CLIENT_WS_PORT", "8911", "Signal.Port", "8911" },
		{ "SFU_CLIENT_WS_BIND", "172.17.0.1", "Signal.Bind", "172.17.0.1:8920" },
		{ "SFU_RELAY_HS256_FALLBACK", "False", "Signal.Hs256Fallback", "no" },
		{ "SFU_MAX_PARTICIPANTS", "0", "Rooms.MaxParticipants", "0" },
		{ "SFU_SOLO_KICK_AFTER_SECS", "45", "Rooms.SoloKick", "45s" },
		{ "SFU_BWE_HINT_MIN_INTERVAL_MS", "250", "Rooms.BweHintMs", "250" },
		{ "SFU_METRICS_PORT", "9000", "Metrics.Port", "9000" },
		{ "SFU_METRICS_BIND", "10.9.0.3", "Metrics.Bind", "10.9.0.3:9317" },
		{ "SFU_EDGE_ID", "fra-1", "Metrics.EdgeId", "fra-1" },
		{ "RUST_LOG", "debug", "Log.Level", "debug" },
	};
	char was[2 * CONF_TEXT_MAX];
	size_t mapped = 0;

	for (const struct conf_key *k = sfud_keys; k->key; k++)
		mapped += k->env != NULL;
	EQ(mapped, ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].env;
		start();
		EQ(load(), 0);
		strcpy(was, value(&conf, rows[i].key));
		OK(strcmp(was, rows[i].want) != 0);
		setenv(rows[i].env, rows[i].text, 1);
		EQ(load(), 0);
		EQ_STR(value(&conf, rows[i].key), rows[i].want);
		setenv(rows[i].env, "", 1);
		EQ(load(), 0);
		EQ_STR(value(&conf, rows[i].key), was);
		finish();
	}
}

/* A port or an address that is none ends the start, and the line says which variable; whatever else is garbage is
 * said and gets the default. */
static void garbage_in_variables(void)
{
	static const struct {
		const char *env, *text;
		int want;
		const char *key, *dflt;
	} rows[] = {
		{ "SFU_UDP_PORT", "seven", ERR_MALFORMED, NULL, NULL },
		{ "SFU_UDP_PORT", "65536", ERR_MALFORMED, NULL, NULL },
		{ "SFU_UDP_PORT", "-1", ERR_MALFORMED, NULL, NULL },
		{ "SFU_METRICS_PORT", "9317x", ERR_MALFORMED, NULL, NULL },
		{ "SFU_CLIENT_WS_PORT", "0x22d8", ERR_MALFORMED, NULL, NULL },
		{ "SFU_METRICS_BIND", "10.9.0.3/24", ERR_MALFORMED, NULL, NULL },
		{ "SFU_BIND_ADDRESS", "eth0", ERR_MALFORMED, NULL, NULL },
		{ "SFU_MAX_PARTICIPANTS", "many", 0, "Rooms.MaxParticipants", "50" },
		{ "SFU_MAX_PARTICIPANTS", "4294967296", 0, "Rooms.MaxParticipants", "50" },
		{ "SFU_SOLO_KICK_AFTER_SECS", "-5", 0, "Rooms.SoloKick", "2m" },
		{ "SFU_BWE_HINT_MIN_INTERVAL_MS", "1.5", 0, "Rooms.BweHintMs", "100" },
		{ "SFU_RELAY_HS256_FALLBACK", "maybe", 0, "Signal.Hs256Fallback", "yes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].env;
		start();
		setenv(rows[i].env, rows[i].text, 1);
		EQ(load(), rows[i].want);
		OK(said(rows[i].env));
		OK(said(rows[i].want ? ": err: " : ": warning: "));
		if (rows[i].key)
			EQ_STR(value(&conf, rows[i].key), rows[i].dflt);
		finish();
	}
	t_row = "";
	start();
	setenv("RUST_LOG", "oxpulse_sfu=trace", 1);
	EQ(load(), 0);
	EQ(conf.level, LOG_INFO);
	OK(said("oxpulse_sfu=trace"));
	finish();
}

/* Candidates: the advertised ones, the public one, else the bound one; then a private one. All with the media port,
 * none twice. A value that is not an address, or not private, is said and left out. */
static void candidates(void)
{
	static const struct {
		const char *row, *file, *public_ip, *local_ip, *want[3], *warns;
	} rows[] = {
		{ "public: ", "", "198.51.100.7", "", { "198.51.100.7:7878" }, NULL },
		{ "both: ", "", "198.51.100.7", "10.0.0.2", { "198.51.100.7:7878", "10.0.0.2:7878" }, NULL },
		{ "same: ", "", "10.0.0.2", "10.0.0.2", { "10.0.0.2:7878" }, NULL },
		{ "unique local: ", "", "2001:db8::7", "fd00::2", { "[2001:db8::7]:7878", "[fd00::2]:7878" }, NULL },
		{ "bound: ", "[Media]\nBind=192.0.2.1\n", "", "", { "192.0.2.1:7878" }, NULL },
		{ "advertised: ", "[Media]\nPort=9\nAdvertise=203.0.113.1 203.0.113.2:5\n", "", "",
		  { "203.0.113.1:9", "203.0.113.2:9" }, NULL },
		{ "public garbage: ", "[Media]\nBind=192.0.2.1\n", "edge.example", "", { "192.0.2.1:7878" },
		  "\"edge.example\" is not an IP address; ignored" },
		{ "public with port: ", "", "198.51.100.7:1", "", { 0 }, "is not an IP address; ignored" },
		{ "local garbage: ", "", "198.51.100.7", "ten", { "198.51.100.7:7878" },
		  "\"ten\" is not a private address" },
		{ "local public: ", "", "198.51.100.7", "203.0.113.9", { "198.51.100.7:7878" },
		  "\"203.0.113.9\" is not a private address; ignored" },
		{ "local shared: ", "", "198.51.100.7", "100.64.0.1", { "198.51.100.7:7878" },
		  "is not a private address" },
		{ "local loopback: ", "", "198.51.100.7", "127.0.0.1", { "198.51.100.7:7878" },
		  "is not a private address" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t n = 0;

		t_row = rows[i].row;
		start();
		put("sfud.conf", rows[i].file, 0644);
		setenv("SFU_PUBLIC_IP", rows[i].public_ip, 1);
		setenv("SFU_LOCAL_IP", rows[i].local_ip, 1);
		EQ(load(), 0);
		for (; n < 3 && rows[i].want[n]; n++)
			EQ_STR(candidate(n), rows[i].want[n]);
		EQ(conf.sfu.n_candidates, n);
		if (rows[i].warns)
			OK(said(rows[i].warns));
		else
			EQ_STR(logged, "");
		finish();
	}
}

/* Later sources win: default, variable, sfud.conf, its drop-ins by name; an empty value goes back to the default. */
static void order_of_sources(void)
{
	start();
	setenv("SFU_UDP_PORT", "1001", 1);
	setenv("SFU_MAX_PARTICIPANTS", "11", 1);
	setenv("SFU_EDGE_ID", "env", 1);
	EQ(load(), 0);
	EQ(conf.media_port, 1001);
	put("sfud.conf", "[Media]\nPort=1002\n[Rooms]\nMaxParticipants=12\n", 0644);
	EQ(load(), 0);
	EQ(conf.media_port, 1002);
	EQ(conf.max_participants, 12);
	put("sfud.conf.d/20-b.conf", "[Media]\nPort=1004\n", 0644);
	put("sfud.conf.d/10-a.conf", "[Media]\nPort=1003\n[Rooms]\nMaxParticipants=\n", 0644);
	put("sfud.conf.d/30-c.conf~", "[Media]\nPort=1005\n", 0644);
	EQ(load(), 0);
	EQ(conf.media_port, 1004);
	EQ(conf.max_participants, 50);
	EQ_STR(conf.edge_id, "env");
	finish();
}

/* A file with a mistake changes nothing: the struct of the caller stays as it was, and the line is named. */
static void bad_files_change_nothing(void)
{
	struct sfud_conf before;

	start();
	put("sfud.conf", "[Media]\nPort=1002\n", 0644);
	EQ(load(), 0);
	before = conf;
	put("sfud.conf", "[Media]\nPort=1003\n\nPrt=1\n", 0644);
	EQ(load(), ERR_MALFORMED);
	OK(said("sfud.conf:4: "));
	OK(memcmp(&before, &conf, sizeof(conf)) == 0);
	put("sfud.conf", "", 0644);
	put("sfud.conf.d/x.conf", "[Signal]\nPort=http\n", 0644);
	EQ(load(), ERR_MALFORMED);
	OK(said("sfud.conf.d/x.conf:2: "));
	OK(memcmp(&before, &conf, sizeof(conf)) == 0);
	if (unlink(at("sfud.conf")) != 0)
		abort();
	OK(load() < 0); /* a file that was asked for must be there */
	OK(said("sfud.conf"));
	finish();
}

/* The HS256 key: a file that others cannot read, a credential, else the variable. It is never written anywhere. */
static void secret_of_tokens(void)
{
	char text[256];

	start();
	setenv("SIGNALING_SFU_SECRET", "from-environment", 1);
	EQ(load(), 0);
	EQ_SPAN(sfud_conf_keys(&conf).hs256, SPAN_LIT("from-environment"));
	put("secret", "from-file\n", 0600);
	snprintf(text, sizeof(text), "[Signal]\nSecretFile=%s\n", at("secret"));
	put("sfud.conf", text, 0644);
	EQ(load(), 0);
	EQ_SPAN(sfud_conf_keys(&conf).hs256, SPAN_LIT("from-file"));
	for (mode_t mode = 1; mode < 8; mode++) {
		put("secret", "from-file\n", 0640 | mode);
		OK(load() < 0);
		OK(said("SecretFile") && !said("from-file"));
	}
	put("secret", "", 0600);
	OK(load() < 0);
	put("sfud.conf", "[Signal]\nSecretFile=room-secret\n", 0644);
	OK(load() < 0); /* no such credential; the variable does not step in */
	put("room-secret", "from-credential", 0440);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	EQ(load(), 0);
	EQ_SPAN(sfud_conf_keys(&conf).hs256, SPAN_LIT("from-credential"));
	finish();
	EQ(conf.secret.n, 0);
}

/* The Ed25519 key: PEM in a file or in the variable; empty counts as unset, anything else that is no key ends the
 * start. */
static void public_key_of_tokens(void)
{
	char text[256];

	start();
	setenv("SFU_SIGNING_PUBLIC_KEY", PEM, 1);
	EQ(load(), 0);
	OK(conf.has_ed25519 && sfud_conf_keys(&conf).ed25519 == conf.ed25519);
	EQ(conf.ed25519[0], 0xd7);
	setenv("SFU_SIGNING_PUBLIC_KEY", "", 1);
	EQ(load(), 0);
	OK(!conf.has_ed25519);
	setenv("SFU_SIGNING_PUBLIC_KEY", "secret", 1);
	OK(load() < 0);
	OK(said("PEM expected") && !said("\"secret\""));
	put("key.pem", PEM, 0644);
	snprintf(text, sizeof(text), "[Signal]\nSigningKeyFile=%s\nHs256Fallback=no\n", at("key.pem"));
	put("sfud.conf", text, 0644);
	EQ(load(), 0);
	OK(conf.has_ed25519 && !sfud_conf_keys(&conf).hs256_fallback);
	finish();
}

/* What --dump prints is a file that means the same. */
static void dump_parses_back(void)
{
	static char first[16384], second[16384];
	struct wr w = wr_from(first, sizeof(first) - 1);
	struct sfu_conf sfu;

	start();
	put("sfud.conf",
	    "[Media]\nPort=5000\nBind=::\nAdvertise=203.0.113.1 2001:db8::1\nLocalAddress=10.0.0.1\n"
	    "[Signal]\nHs256Fallback=no\nPing=1500ms\n[Rooms]\nSoloKick=0\nMaxRooms=7\nDrainLimit=90m\n"
	    "[Metrics]\nBind=::1\nEdgeId=a b\n[Control]\nSocket=/tmp/s\n[Log]\nLevel=warning\n",
	    0644);
	EQ(load(), 0);
	sfu = conf.sfu;
	conf_dump(&w, sfud_keys, &conf);
	OK(!w.bad);
	put("sfud.conf", first, 0644);
	EQ(load(), 0);
	w = wr_from(second, sizeof(second) - 1);
	conf_dump(&w, sfud_keys, &conf);
	EQ_STR(second, first);
	EQ(conf.level, LOG_WARNING);
	EQ(conf.sfu.n_candidates, 3);
	for (uint32_t i = 0; i < sfu.n_candidates; i++)
		OK(addr_eq(&conf.sfu.candidate[i], &sfu.candidate[i]));
	EQ(conf.sfu.solo_kick, 0);
	finish();
}

/* A reload says which of the changed keys need a restart, and only those. */
static void frozen_keys_are_named(void)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{ "", "" },
		{ "[Media]\nPort=7878\nBind=0.0.0.0:9\n", "" }, /* an address's port has its own key */
		{ "[Rooms]\nMaxParticipants=9\nSoloKick=9\n[Log]\nLevel=debug\n[Metrics]\nEdgeId=x\n", "" },
		{ "[Media]\nPort=1\n", "Media.Port" },
		{ "[Media]\nPort=1\nBind=::1\nReceiveBuffer=1\nSendBuffer=1\n",
		  "Media.Port Media.Bind Media.ReceiveBuffer Media.SendBuffer" },
		{ "[Signal]\nPing=1\nMaxMessage=1\nBind=::1\nPort=1\n",
		  "Signal.Port Signal.Bind Signal.MaxMessage Signal.Ping" },
		{ "[Control]\nSocket=/tmp/s\nHealthUser=a\nRefreshUser=b\n[Metrics]\nPort=1\nBind=::\n"
		  "[Rooms]\nMaxRooms=1\n",
		  "Rooms.MaxRooms Metrics.Port Metrics.Bind Control.Socket Control.HealthUser Control.RefreshUser" },
	};
	struct sfud_conf old;

	start();
	EQ(load(), 0);
	old = conf;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512] = "";
		struct wr w = wr_from(text, sizeof(text) - 1);

		t_row = rows[i].file;
		put("sfud.conf", rows[i].file, 0644);
		EQ(load(), 0);
		sfud_conf_frozen(&old, &conf, &w);
		EQ_STR(text, rows[i].want);
	}
	finish();
}

T_MAIN(T(defaults), T(variables), T(garbage_in_variables), T(candidates), T(order_of_sources),
       T(bad_files_change_nothing), T(secret_of_tokens), T(public_key_of_tokens), T(dump_parses_back),
       T(frozen_keys_are_named))
