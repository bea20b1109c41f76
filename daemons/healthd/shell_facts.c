/* SPDX-License-Identifier: AGPL-3.0-only */
/* What files say: generations of the configuration, when timers ran last, the roster. All of it is somebody else's and may
 * be missing. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "healthd/healthd.h"
#include "sys/conf_file.h"
#include "sys/log.h"

#define STAMPS "/var/lib/systemd/timers"
#define MANIFEST_MAX 16384
#define MANIFEST_TOKENS 1024

bool facts_path(char ret[HEALTHD_PATH_MAX], const char *directory, const char *name)
{
	int n = snprintf(ret, HEALTHD_PATH_MAX, "%s/%s", directory, name);

	return n > 0 && n < HEALTHD_PATH_MAX;
}

int facts_roster(struct healthd *d, struct roster *ret)
{
	char path[HEALTHD_PATH_MAX], *text;
	size_t n;
	int r;

	if (!facts_path(path, d->conf.state_directory, "peer-roster.json"))
		return ERR_LIMIT;
	text = malloc(ROSTER_TEXT_MAX);
	if (!text)
		return ERR_NOMEM;
	r = conf_file_read(path, text, ROSTER_TEXT_MAX, &n);
	if (r == 0)
		r = roster_parse(span_of(text, n), ret);
	if (r == ERR_MALFORMED || r == ERR_LIMIT)
		log_warn("%s is no list of peers: nobody is probed (the daily refresh writes it anew)", path);
	if (r == 0)
		d->stats.roster_refused = ret->refused;
	free(text);
	return r;
}

/* --- generations ---------------------------------------------------------------------------------------- */

static int read_manifest(const char *generations, uint64_t number, struct ov_change *ret)
{
	static struct json_tok tok[MANIFEST_TOKENS];
	char path[HEALTHD_PATH_MAX + 64], text[MANIFEST_MAX];
	struct json j;
	size_t n;
	int r;

	snprintf(path, sizeof(path), "%s/%llu/manifest.json", generations, (unsigned long long)number);
	r = conf_file_read(path, text, sizeof(text), &n);
	if (r == 0)
		r = json_parse(span_of(text, n), tok, MANIFEST_TOKENS, &j);
	if (r < 0)
		return r;
	*ret = (struct ov_change){ .number = number };
	(void)json_get_str(&j, 0, "reason", ret->reason, sizeof(ret->reason), NULL);
	(void)json_get_str(&j, 0, "made_at", ret->made_at, sizeof(ret->made_at), NULL);
	return 0;
}

static uint64_t number_of(const char *name)
{
	char *end;
	unsigned long long v = name[0] >= '1' && name[0] <= '9' ? strtoull(name, &end, 10) : 0;

	return v && *end == '\0' ? v : 0;
}

static uint64_t current_of(const char *state)
{
	char path[HEALTHD_PATH_MAX], target[HEALTHD_PATH_MAX];
	const char *slash;
	ssize_t n;

	if (!facts_path(path, state, "current"))
		return 0;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return 0;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return number_of(slash ? slash + 1 : target);
}

/* The newest ones: a number is put where it belongs, what falls off the end is forgotten. */
static void keep_newest(uint64_t newest[OV_CHANGES_MAX], uint64_t v)
{
	for (uint32_t i = 0; i < OV_CHANGES_MAX; i++) {
		if (v > newest[i]) {
			uint64_t old = newest[i];

			newest[i] = v;
			v = old;
		}
	}
}

static void read_changes(struct healthd *d)
{
	uint64_t newest[OV_CHANGES_MAX] = { 0 }, current = current_of(d->conf.state_directory);
	char path[HEALTHD_PATH_MAX];
	struct overview *v = &d->ov;
	struct dirent *e;
	DIR *dir;

	v->n_changes = 0;
	if (!facts_path(path, d->conf.state_directory, "generations"))
		return;
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		keep_newest(newest, number_of(e->d_name));
	if (dir)
		closedir(dir);
	for (uint32_t i = 0; i < OV_CHANGES_MAX && newest[i]; i++) {
		struct ov_change *c = &v->change[v->n_changes];

		if (read_manifest(path, newest[i], c) < 0)
			continue;
		c->current = newest[i] == current;
		v->n_changes++;
	}
}

/* --- timers --------------------------------------------------------------------------------------------- */

/* "stamp-oxpulse-x.timer" -> "oxpulse-x"; false: not one of ours. */
static bool timer_of(const char *stamp, char ret[OV_NAME_MAX])
{
	static const char prefix[] = "stamp-", ours[] = "stamp-oxpulse-", suffix[] = ".timer";
	size_t n = strlen(stamp), p = sizeof(prefix) - 1, s = sizeof(suffix) - 1;

	if (n <= sizeof(ours) - 1 + s || memcmp(stamp, ours, sizeof(ours) - 1) != 0 || strcmp(stamp + n - s, suffix) != 0)
		return false;
	snprintf(ret, OV_NAME_MAX, "%.*s", (int)(n - p - s), stamp + p);
	return true;
}

static void add_timer(struct overview *v, const char *name, const char *path)
{
	struct ov_timer *t = &v->timer[v->n_timers];
	struct stat st;

	if (v->n_timers == OV_TIMERS_MAX || stat(path, &st) < 0)
		return;
	*t = (struct ov_timer){ .last = { (uint64_t)st.st_mtim.tv_sec * US_PER_SEC } };
	snprintf(t->name, sizeof(t->name), "%s", name);
	v->n_timers++;
}

/* systemd keeps stamps of timers with Persistent= only, and not everybody may look; what refreshd wrote last tells the same. */
static void read_timers(struct healthd *d)
{
	struct overview *v = &d->ov;
	char path[HEALTHD_PATH_MAX], name[OV_NAME_MAX];
	struct dirent *e;
	DIR *dir = opendir(STAMPS);

	v->n_timers = 0;
	while (dir && (e = readdir(dir))) {
		if (timer_of(e->d_name, name) && facts_path(path, STAMPS, e->d_name))
			add_timer(v, name, path);
	}
	if (dir)
		closedir(dir);
	if (facts_path(path, d->conf.state_directory, "refresh.prom"))
		add_timer(v, "refresh (last record)", path);
}

void facts_read(struct healthd *d)
{
	read_changes(d);
	read_timers(d);
}
