/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Restarts are asked for, not made: a file <requests>/restart-<daemon> with a nonce, which a root oneshot turns into
 * systemctl try-restart; <results>/restart-<daemon> then says "<nonce> ok|failed|not-running". What the operator has
 * stopped stays stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "healthd/healthd.h"
#include "healthd/verdict/verdict.h"
#include "sys/conf_file.h"
#include "sys/log.h"

#define NONCE_BYTES 16

static bool exists(const char *directory, const char *name)
{
	char path[HEALTHD_PATH_MAX];

	return facts_path(path, directory, name) && access(path, F_OK) == 0;
}

static bool is_held(const struct healthd *d, enum ov_daemon_name which)
{
	char name[64];

	snprintf(name, sizeof(name), "selfheal.hold.%s", ov_daemon_names[which]);
	return exists(d->conf.state_directory, "selfheal.hold") || exists(d->conf.state_directory, name);
}

/* refreshd's journal is there from before the flip of a configuration until that is kept or taken back. Its lock is nobody
 * else's to open, and more than this: while it asks central nothing changes here. */
static bool is_busy(const struct healthd *d)
{
	return exists(d->conf.state_directory, "apply.json");
}

/* --- asking --------------------------------------------------------------------------------------------- */

static int write_all(const char *path, struct span text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && write(fd, text.p, text.n) != (ssize_t)text.n)
		r = -EIO;
	if (fd >= 0)
		close(fd);
	return r;
}

/* Whole or not at all: whoever waits for the file acts when it appears. */
static int ask_restart(struct healthd *d, enum ov_daemon_name which)
{
	uint8_t nonce[NONCE_BYTES];
	char name[64], path[HEALTHD_PATH_MAX], fresh[HEALTHD_PATH_MAX + 8];
	struct wr w = wr_from(d->nonce[which], sizeof(d->nonce[which]) - 1);
	int r;

	rng_bytes(&d->rng, nonce, sizeof(nonce));
	wr_hex(&w, span_of(nonce, sizeof(nonce)));
	d->nonce[which][wr_len(&w)] = '\0';
	snprintf(name, sizeof(name), "restart-%s", ov_daemon_names[which]);
	if (!facts_path(path, d->conf.request_directory, name))
		return ERR_LIMIT;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	unlink(fresh);
	r = write_all(fresh, span_str(d->nonce[which]));
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(fresh);
	return r;
}

static struct ov_repair *note(struct healthd *d, enum ov_daemon_name which, const char *outcome)
{
	struct ov_repair *r = &d->ov.repaired[d->ov.n_repaired++ % OV_REPAIRS_MAX];

	*r = (struct ov_repair){ .at = loop_wall(d->loop), .daemon = which };
	snprintf(r->outcome, sizeof(r->outcome), "%s", outcome);
	return r;
}

static void restart(struct healthd *d, enum ov_daemon_name which)
{
	const char *name = ov_daemon_names[which];
	int r = ask_restart(d, which);

	d->stats.repairs[which]++;
	note(d, which, r < 0 ? "not asked" : "asked");
	if (r < 0) {
		log_err(r,
			"asking for a restart of %s in %s (is oxpulse-partner-edge-request.path installed, and this user "
			"in the group oxpulse-requests?)",
			name, d->conf.request_directory);
		d->nonce[which][0] = '\0';
		return;
	}
	log_warn("%s is alive but has not served for %u runs: asked for a restart (%u of %u in this window; "
		 "touch %s/selfheal.hold to keep healthd from it)",
		 name, REPAIR_FAILS, repair_spent(&d->ov.daemon[which].repair, &d->ov.repair_conf, loop_now(d->loop)),
		 d->ov.repair_conf.budget, d->conf.state_directory);
}

/* --- what became of it ---------------------------------------------------------------------------------- */

static void look_at_result(struct healthd *d, enum ov_daemon_name which)
{
	char dir[HEALTHD_PATH_MAX], path[HEALTHD_PATH_MAX], name[64], text[128];
	size_t n, nonce = strlen(d->nonce[which]);

	snprintf(name, sizeof(name), "restart-%s", ov_daemon_names[which]);
	if (nonce == 0 || !facts_path(dir, d->conf.request_directory, "../results") || !facts_path(path, dir, name) ||
	    conf_file_read(path, text, sizeof(text), &n) < 0 || n <= nonce + 1 || memcmp(text, d->nonce[which], nonce) != 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	d->nonce[which][0] = '\0';
	for (uint64_t i = d->ov.n_repaired; i-- > 0 && d->ov.n_repaired - i <= OV_REPAIRS_MAX;) {
		struct ov_repair *r = &d->ov.repaired[i % OV_REPAIRS_MAX];

		if (r->daemon != which)
			continue;
		snprintf(r->outcome, sizeof(r->outcome), "%s", text + nonce + 1);
		break;
	}
	log_notice("restart of %s: %s", ov_daemon_names[which], text + nonce + 1);
}

void repair_look(struct healthd *d)
{
	bool busy = is_busy(d);

	for (int i = 0; i < DAEMON_MAX_; i++) {
		enum ov_daemon_name which = (enum ov_daemon_name)i;
		struct ov_daemon *one = &d->ov.daemon[i];
		struct repair_seen seen = verdict_seen(&d->ov, which);
		bool given_up = one->repair.given_up;

		look_at_result(d, which);
		seen.held = is_held(d, which);
		seen.busy = busy;
		one->act = repair_step(&one->repair, &d->ov.repair_conf, &seen, loop_now(d->loop));
		if (one->act == REPAIR_RESTART)
			restart(d, which);
		if (one->repair.given_up && !given_up)
			log_at(LOG_ERR, NULL,
			       "%s still does not serve after %u restarts in this window: giving up until the window is over; "
			       "see journalctl -u oxpulse-%s",
			       ov_daemon_names[i], d->ov.repair_conf.budget, ov_daemon_names[i]);
	}
}
