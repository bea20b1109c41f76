/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/healthd_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "t.h"

static char dir[32], logged[8192];
static struct healthd_conf conf;

static const char *at(const char *name)
{
	static char path[4][128];
	static unsigned i;

	snprintf(path[++i % 4], sizeof(path[0]), "%s/%s", dir, name);
	return path[i % 4];
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(at(name), "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(at(name), mode) < 0)
		abort();
}

/* Loads healthd.conf with this text, and keeps what was logged meanwhile. */
static int load(const char *text)
{
	int fd = memfd_create("log", MFD_CLOEXEC), old = dup(STDERR_FILENO), r;
	ssize_t n;

	if (fd < 0 || old < 0)
		abort();
	put("healthd.conf", text, 0644);
	dup2(fd, STDERR_FILENO);
	healthd_conf_done(&conf);
	r = healthd_conf_load(at("healthd.conf"), &conf);
	dup2(old, STDERR_FILENO);
	n = pread(fd, logged, sizeof(logged) - 1, 0);
	logged[n < 0 ? 0 : n] = '\0';
	close(fd);
	close(old);
	return r;
}

static void start(void)
{
	unsetenv("JOURNAL_STREAM");
	strcpy(dir, "/tmp/healthd-conf-XXXXXX");
	if (!mkdtemp(dir) || mkdir(at("healthd.conf.d"), 0755) < 0 || mkdir(at("credentials"), 0700) < 0)
		abort();
	setenv("CREDENTIALS_DIRECTORY", at("credentials"), 1);
}

static void defaults_are_those_of_the_manual(void)
{
	char text[ADDR_TEXT_MAX];

	EQ(load(""), 0);
	EQ(conf.interval, DUR_SEC(60));
	EQ(conf.timeout, DUR_SEC(5));
	EQ_STR(addr_fmt(&conf.sfu_signal, text), "127.0.0.1:8920");
	EQ_STR(addr_fmt(&conf.front, text), "127.0.0.1:443");
	EQ_STR(addr_fmt(&conf.canary, text), "127.0.0.1:9080");
	EQ(conf.listen.n, 1);
	EQ_STR(addr_fmt(&conf.listen.a[0], text), "127.0.0.1:9640");
	OK(addr_is_unset(&conf.turn_address) && addr_is_unset(&conf.sfu_media));
	OK(conf.peers && !conf.peers_internal && conf.repair);
	EQ(conf.repair_budget, 3);
	EQ(conf.repair_window, DUR_SEC(3600));
	EQ_STR(conf.state_directory, "/var/lib/oxpulse-partner-edge");
	EQ(conf.level, LOG_INFO);
}

static void ports_and_slashes_are_filled_in_and_cut_off(void)
{
	char text[ADDR_TEXT_MAX];

	EQ(load("[Probe]\nTurnAddress=1.2.3.4\nSfuMedia=1.2.3.4\nSfuSignal=127.0.0.2\n[Http]\nListen=127.0.0.1 10.9.0.5:80\n"
		"[Central]\nUrl=https://central.example//\n"), 0);
	EQ_STR(addr_fmt(&conf.turn_address, text), "1.2.3.4:3478");
	EQ_STR(addr_fmt(&conf.sfu_media, text), "1.2.3.4:7878");
	EQ_STR(addr_fmt(&conf.sfu_signal, text), "127.0.0.2:8920");
	EQ_STR(addr_fmt(&conf.listen.a[0], text), "127.0.0.1:9640");
	EQ_STR(addr_fmt(&conf.listen.a[1], text), "10.9.0.5:80");
	EQ_STR(conf.url, "https://central.example");
}

static void what_is_wrong_is_said(void)
{
	static const struct {
		const char *text, *said;
		int want;
	} rows[] = {
		{"[Probe]\nIntervall=1m\n", "healthd.conf:2: unknown key Probe.Intervall; did you mean Probe.Interval?",
		 ERR_MALFORMED},
		{"[Probe]\nTimeout=10ms\n", "Probe.Timeout: must be between 500ms and 60s", ERR_MALFORMED},
		{"[Probe]\nTimeout=2m\n", "Probe.Timeout: must be", ERR_MALFORMED},
		{"[Probe]\nInterval=1s\n", "Probe.Interval: must be between 5s and 1d", ERR_MALFORMED},
		{"[Probe]\nInterval=5s\nTimeout=10s\n", "Probe.Interval: is shorter than Probe.Timeout", ERR_MALFORMED},
		{"[Repair]\nBudget=0\n", "Repair.Budget: 1 to 32", ERR_MALFORMED},
		{"[Repair]\nBudget=33\n", "Repair.Budget: 1 to 32", ERR_MALFORMED},
		{"[Repair]\nWindow=1s\n", "Repair.Budget: 1 to 32", ERR_MALFORMED},
		{"[Repair]\nBudget=0\nEnabled=no\n", "", 0},
		{"[Central]\nUrl=central.example\n", "Central.Url: begins with https://", ERR_MALFORMED},
		{"[Central]\nUrl=\n", "", 0},
		{"[Probe]\nTurnAddress=127.0.0.1\n", "a loopback address is no peer for turnd", 0},
		{"[Probe]\nPeersInternal=yes\n", "for tests only", 0},
		{"[Log]\nLevel=loud\n", "\"loud\" is not a level", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].text;
		EQ(load(rows[i].text), rows[i].want);
		OK(strstr(logged, rows[i].said));
	}
	t_row = "no such file: ";
	EQ(healthd_conf_load("/nonexistent/healthd.conf", &conf), -ENOENT);
}

/* As long as a secret may be: with it the file is longer than any secret. */
#define TEN "0123456789"
#define OLDER TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void secrets_are_credentials_or_files_and_may_be_missing(void)
{
	EQ(load(""), 0);
	OK(!conf.turn_secret.n && !conf.sfu_secret.n && !conf.token.n && !conf.cross_probe_token.n);
	put("credentials/turn-secret", "newest\n" OLDER "\n" OLDER "\n", 0600);
	put("credentials/service-token", "stkn_x\n", 0600);
	put("sfu", "by path\n", 0600);
	char text[256];

	snprintf(text, sizeof(text), "[Probe]\nSfuSecretFile=%s\n[Central]\nCrossProbeTokenFile=%s\n", at("sfu"), at("missing"));
	EQ(load(text), 0);
	EQ_SPAN(secret_span(&conf.turn_secret), SPAN_LIT("newest"));
	EQ_SPAN(secret_span(&conf.token), SPAN_LIT("stkn_x"));
	EQ_SPAN(secret_span(&conf.sfu_secret), SPAN_LIT("by path"));
	EQ(conf.cross_probe_token.n, 0);
}

static void a_secret_that_others_can_read_is_refused(void)
{
	char text[256];

	put("open", "secret\n", 0644);
	snprintf(text, sizeof(text), "[Probe]\nSfuSecretFile=%s\n", at("open"));
	EQ(load(text), ERR_MALFORMED);
	OK(strstr(logged, "chmod o= it") && !strstr(logged, "secret\n"));
}

static void drop_ins_win(void)
{
	put("healthd.conf.d/10-x.conf", "[Node]\nId=other\n", 0644);
	EQ(load("[Node]\nId=acme-1\nDomain=call.example\n"), 0);
	EQ_STR(conf.id, "other");
	EQ_STR(conf.domain, "call.example");
	unlink(at("healthd.conf.d/10-x.conf"));
}

static void the_dump_reads_back(void)
{
	static struct healthd_conf again;
	static char text[32768];
	struct wr w = wr_from(text, sizeof(text) - 1);

	EQ(load("[Probe]\nChannels=ch2 ch1\nTurnAddress=1.2.3.4:99\n"), 0);
	conf_dump(&w, healthd_keys, &conf);
	OK(!w.bad);
	again = conf;
	memset(&conf, 0, sizeof(conf));
	EQ(load(text), 0);
	for (const struct conf_key *k = healthd_keys; k->key; k++) {
		t_row = k->key;
		OK(memcmp((char *)&conf + k->at, (char *)&again + k->at, k->type->size) == 0);
	}
	healthd_conf_done(&again);
}

static void what_needs_a_restart_is_named(void)
{
	static struct healthd_conf old;
	char text[256] = { 0 };
	struct wr w = wr_from(text, sizeof(text) - 1);

	EQ(load(""), 0);
	old = conf;
	memset(&conf, 0, sizeof(conf));
	EQ(load("[Http]\nListen=127.0.0.1:1\n[Probe]\nInterval=30s\n[Control]\nSocket=none\n"), 0);
	healthd_conf_frozen(&old, &conf, &w);
	EQ_STR(text, "Http.Listen Control.Socket");
	healthd_conf_done(&old);
}

static void done_wipes(void)
{
	static const struct secret none;

	healthd_conf_done(&conf);
	OK(memcmp(&conf.turn_secret, &none, sizeof(none)) == 0 && memcmp(&conf.token, &none, sizeof(none)) == 0);
}

static void finish(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		abort();
}

T_MAIN(T(start), T(defaults_are_those_of_the_manual), T(ports_and_slashes_are_filled_in_and_cut_off), T(what_is_wrong_is_said),
       T(secrets_are_credentials_or_files_and_may_be_missing), T(a_secret_that_others_can_read_is_refused), T(drop_ins_win),
       T(the_dump_reads_back), T(what_needs_a_restart_is_named), T(done_wipes), T(finish))
