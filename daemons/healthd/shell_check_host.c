/* SPDX-License-Identifier: AGPL-3.0-only */
/* Checks that look at this host: files, disk, timers. None of them takes long. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "healthd/shell_check.h"
#include "sys/conf_file.h"

#define FILE_MAX (1024 * 1024)
#define TOKENS_MAX 2048
#define FREE_PERCENT 5
#define FREE_BYTES (UINT64_C(200) * 1024 * 1024)
#define CAUSE_MAX (PATH_MAX + 128)

/* --- the configuration is as it was rendered ------------------------------------------------------------ */

static int digest_of(const char *path, char ret[65])
{
	uint8_t digest[32];
	struct wr w = wr_from(ret, 64);
	char *text = malloc(FILE_MAX);
	size_t n = 0;
	int r = text ? conf_file_read(path, text, FILE_MAX, &n) : ERR_NOMEM;

	if (r == 0 && EVP_Digest(text, n, digest, NULL, EVP_sha256(), NULL) != 1)
		r = ERR_NOMEM;
	if (r == 0)
		wr_hex(&w, span_of(digest, sizeof(digest)));
	ret[64] = '\0';
	if (text)
		wipe(text, FILE_MAX); /* some of them are secrets */
	free(text);
	return r;
}

/* What a look at files gave; the worst one counts. */
enum look { LOOK_GOOD, LOOK_UNSEEN, LOOK_BAD };

static enum look worse(enum look a, enum look b)
{
	return a > b ? a : b;
}

/* Whether a file is what its row says; cause: what is wrong. */
static enum look look_at_row(const struct json *j, int row, const char *dir, char *cause)
{
	char name[128], want[80], path[PATH_MAX], got[65] = "";
	int r;

	if (json_get_str(j, row, "path", name, sizeof(name), NULL) < 0 ||
	    json_get_str(j, row, "sha256", want, sizeof(want), NULL) < 0) {
		snprintf(cause, CAUSE_MAX, "its manifest is not one");
		return LOOK_BAD;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = digest_of(path, got);
	if (r == 0 && strcmp(got, want) == 0)
		return LOOK_GOOD;
	if (r == 0)
		snprintf(cause, CAUSE_MAX, "%s was changed by hand", name);
	else
		snprintf(cause, CAUSE_MAX, "%s: %s", name, err_str(r));
	return r == -EACCES ? LOOK_UNSEEN : LOOK_BAD;
}

static enum look look_at_manifest(const char *dir, char *cause)
{
	struct json_tok *tok = malloc(TOKENS_MAX * sizeof(*tok));
	char path[PATH_MAX], *text = malloc(FILE_MAX);
	struct json j;
	size_t n;
	enum look look = LOOK_BAD;
	int list = -1;

	snprintf(path, sizeof(path), "%s/manifest.json", dir);
	snprintf(cause, CAUSE_MAX, "%s cannot be read", path);
	if (tok && text && conf_file_read(path, text, FILE_MAX, &n) == 0 &&
	    json_parse(span_of(text, n), tok, TOKENS_MAX, &j) == 0)
		list = json_get(&j, 0, "files");
	if (list >= 0) {
		look = LOOK_GOOD;
		for (int at = json_first(&j, list); look != LOOK_BAD && at >= 0; at = json_next(&j, list, at))
			look = worse(look, look_at_row(&j, at, dir, cause));
	}
	free(tok);
	free(text);
	return look;
}

/* The daemons read what the generation says, not a file that somebody put in the link's place. */
static bool links_hold(const struct healthd_conf *c, char *cause)
{
	static const char *const files[] = { "sfud.conf", "turnd.conf", "tunneld.conf", "healthd.conf", "front/nginx.conf" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char etc[2 * CONF_TEXT_MAX], lib[2 * CONF_TEXT_MAX + 16], a[PATH_MAX], b[PATH_MAX];

		snprintf(etc, sizeof(etc), "%s/%s", c->config_directory, files[i]);
		snprintf(lib, sizeof(lib), "%s/current/%s", c->state_directory, files[i]);
		if (!realpath(lib, b) || (realpath(etc, a) && strcmp(a, b) == 0))
			continue;
		snprintf(cause, CAUSE_MAX, "%s is not the link to %s any more", etc, lib);
		return false;
	}
	return true;
}

void check_drift(struct check_run *r)
{
	static const char *const fix = "put what you changed into <daemon>.conf.d/*.conf, then "
				       "refreshd refresh renders the rest anew";
	char dir[2 * CONF_TEXT_MAX], cause[CAUSE_MAX] = "";
	enum look look;

	snprintf(dir, sizeof(dir), "%s/current", r->conf->state_directory);
	if (access(dir, F_OK) < 0) {
		check_say(r, 15, CHECK_SKIP, "there is no generation: this node was not configured by refreshd", NULL);
		return;
	}
	look = look_at_manifest(dir, cause);
	if (look != LOOK_BAD && !links_hold(r->conf, cause))
		look = LOOK_BAD;
	if (look == LOOK_UNSEEN)
		check_say(r, 15, CHECK_SKIP, "this user may not read all of its files; the others are as they were",
			  "run this as root");
	else
		check_say(r, 15, look == LOOK_GOOD ? CHECK_OK : CHECK_WARN, cause, fix);
}

/* --- modes of secrets ----------------------------------------------------------------------------------- */

/* One that is not there is good; cause: the first that is bad. */
static enum look look_at_mode(const char *path, mode_t allowed, char *cause)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? LOOK_UNSEEN : LOOK_GOOD;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07777 & ~allowed) == 0)
		return LOOK_GOOD;
	if (!cause[0])
		snprintf(cause, CAUSE_MAX, "%s has mode %04o: others can read it", path, st.st_mode & 07777);
	return LOOK_BAD;
}

static enum look look_at_directory(const char *dir, char *cause)
{
	enum look look = LOOK_GOOD;
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return errno == EACCES ? LOOK_UNSEEN : LOOK_GOOD;
	while ((e = readdir(d))) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		look = worse(look, look_at_mode(path, 0600, cause));
	}
	closedir(d);
	return look;
}

void check_secret_modes(struct check_run *r)
{
	static const struct {
		const char *name;
		mode_t allowed;
	} files[] = {
		{ "token", 0600 }, { "cross-probe-token", 0600 }, { "reality.priv", 0600 }, { "awg-private.key", 0600 },
		{ "node-config.json", 0600 }, { "front/tls/privkey.pem", 0640 },
	};
	char path[2 * CONF_TEXT_MAX], cause[CAUSE_MAX] = "";
	enum look look = LOOK_GOOD;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", r->conf->config_directory, files[i].name);
		look = worse(look, look_at_mode(path, files[i].allowed, cause));
	}
	snprintf(path, sizeof(path), "%s/current/secrets", r->conf->state_directory);
	look = worse(look, look_at_directory(path, cause));
	if (look == LOOK_UNSEEN)
		check_say(r, 17, CHECK_SKIP, "this user may not look where all of them are", "run this as root");
	else
		check_say(r, 17, look == LOOK_BAD ? CHECK_FAIL : CHECK_OK, cause,
			  "chmod 0600 it, and have central renew what it holds: it may have been read");
}

/* --- disk ----------------------------------------------------------------------------------------------- */

void check_disk(struct check_run *r)
{
	struct statvfs st;
	char cause[CAUSE_MAX];
	uint64_t left, all;

	if (statvfs(r->conf->state_directory, &st) < 0) {
		snprintf(cause, sizeof(cause), "%s: %s", r->conf->state_directory, err_str(-errno));
		check_say(r, 21, CHECK_FAIL, cause, "systemd-tmpfiles --create makes it");
		return;
	}
	left = (uint64_t)st.f_bavail * st.f_frsize;
	all = (uint64_t)st.f_blocks * st.f_frsize;
	snprintf(cause, sizeof(cause), "%llu MB of %llu MB are free below %s", (unsigned long long)(left >> 20),
		 (unsigned long long)(all >> 20), r->conf->state_directory);
	check_say(r, 21, left >= FREE_BYTES && left >= all / 100 * FREE_PERCENT ? CHECK_OK : CHECK_FAIL, cause,
		  "make room: journalctl --vacuum-size=200M, apt-get clean");
}

/* --- timers --------------------------------------------------------------------------------------------- */

/* Its unit file as systemd would find it, NULL without one; a link to /dev/null is a masked one. */
static const char *unit_file(const char *name, char path[PATH_MAX])
{
	static const char *const dirs[] = { "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
					    "/usr/lib/systemd/system", "/lib/systemd/system" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		char found[PATH_MAX];

		snprintf(found, sizeof(found), "%s/%s", dirs[i], name);
		if (realpath(found, path))
			return path;
	}
	return NULL;
}

/* The target wants the timers, so they run where it does; systemd need not be asked. */
void check_timers(struct check_run *r)
{
	static const char *const timers[] = { "oxpulse-partner-edge-refresh.timer", "oxpulse-partner-edge-sni-rotate.timer",
					      "oxpulse-channels-health-report.timer" };
	char cause[CAUSE_MAX] = "", path[PATH_MAX];

	if (access("/run/systemd/system", F_OK) < 0) {
		check_say(r, 22, CHECK_SKIP, "systemd does not run here", NULL);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(timers) && !cause[0]; i++) {
		const char *file = unit_file(timers[i], path);

		if (!file)
			snprintf(cause, sizeof(cause), "%s is not installed", timers[i]);
		else if (strcmp(file, "/dev/null") == 0)
			snprintf(cause, sizeof(cause), "%s is masked", timers[i]);
	}
	if (!cause[0] && access("/etc/systemd/system/multi-user.target.wants/oxpulse-partner-edge.target", F_OK) < 0)
		snprintf(cause, sizeof(cause), "oxpulse-partner-edge.target, which has the timers, does not start at boot");
	check_say(r, 22, cause[0] ? CHECK_FAIL : CHECK_OK, cause,
		  "systemctl unmask what is masked, systemctl enable --now oxpulse-partner-edge.target; what is missing: "
		  "install the suite again");
}
