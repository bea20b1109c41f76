/* SPDX-License-Identifier: AGPL-3.0-only */
/* Every changed part checks its new file itself, before anybody runs with it. What is checked is a copy in <lib>/check that lies
 * beside the operator's additions, and in which what lies in <lib>/current is looked for in the new generation. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "refreshd/refreshd.h"
#include "refreshd/shell_spawn.h"
#include "sys/log.h"

#define CHECK_LIMIT DUR_SEC(20)
#define OUTPUT_MAX 8192

static int scratch_make(const struct refreshd *d, char ret[DISK_PATH_MAX])
{
	int r = disk_path(ret, "%s/check", d->st.lib);

	if (r < 0)
		return r;
	r = disk_remove_tree(ret);
	return r < 0 ? r : disk_make_dir(ret, 0700);
}

static int write_plain(const char *path, struct span text)
{
	FILE *f = fopen(path, "we");
	bool good = f && fwrite(text.p, 1, text.n, f) == text.n;

	if (f)
		good = fclose(f) == 0 && good;
	return good ? 0 : -EIO;
}

static int say(int code, const char *program, char *output, char why[WHY_MAX])
{
	if (code == 0)
		return 0;
	if (code == -ETIMEDOUT)
		snprintf(why, WHY_MAX, "%s did not finish the check of its new file in time", program);
	else if (code < 0)
		snprintf(why, WHY_MAX, "%s cannot be run: %s", program, err_str(code));
	else
		snprintf(why, WHY_MAX, "%s refuses its new file: %.250s", program, spawn_last_line(output));
	return ERR_UNEXPECTED;
}

static int link_into(const char *dir, const char *name, const char *target)
{
	char path[DISK_PATH_MAX];
	int r = disk_path(path, "%s/%s", dir, name);

	if (r < 0 || !disk_has(target))
		return r;
	return symlink(target, path) < 0 ? -errno : 0;
}

/* Credentials as systemd will hand them out, by name in one directory. */
static int credentials_make(const struct refreshd *d, const struct generation *g, const char *scratch)
{
	char dir[DISK_PATH_MAX], target[DISK_PATH_MAX];
	struct manifest m;
	int r = disk_path(dir, "%s/credentials", scratch);

	if (r == 0)
		r = disk_make_dir(dir, 0700);
	if (r == 0)
		r = generation_manifest(g, &m);
	for (uint32_t i = 0; r == 0 && i < m.n; i++) {
		if (!m.file[i].credential[0])
			continue;
		r = disk_path(target, "%s/%s", g->dir, m.file[i].path);
		if (r == 0)
			r = link_into(dir, m.file[i].credential, target);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(token_files); i++) {
		r = disk_path(target, "%s/%s", d->st.etc, token_files[i].name);
		if (r == 0)
			r = link_into(dir, token_files[i].credential, target);
	}
	return r;
}

/* --- daemons -------------------------------------------------------------------------------------------- */

static int check_daemon(const struct refreshd *d, const struct generation *g, int part, const char *scratch, char why[WHY_MAX])
{
	CLEANUP(blob_done) struct blob in = { 0 }, out = { 0 };
	char program[DISK_PATH_MAX], source[DISK_PATH_MAX], file[DISK_PATH_MAX], dir[DISK_PATH_MAX], link[DISK_PATH_MAX];
	char current[DISK_PATH_MAX], staged[DISK_PATH_MAX], credentials[DISK_PATH_MAX + 32], output[OUTPUT_MAX] = "";
	const struct swap s = { current, staged };
	struct wr w;
	int r = disk_path(program, "%s/%s", d->args.sbin, part_name[part]);

	if (r == 0 && access(program, X_OK) < 0) {
		log_notice("%s is not there, so its file was not checked", program);
		return 0;
	}
	if (r == 0)
		r = disk_path(source, "%s/%s.conf", g->dir, part_name[part]);
	if (r == 0)
		r = disk_path(file, "%s/%s.conf", scratch, part_name[part]);
	if (r == 0)
		r = disk_path(link, "%s/%s.conf.d", scratch, part_name[part]);
	if (r == 0)
		r = disk_path(dir, "%s/%s.conf.d", d->st.etc, part_name[part]);
	if (r == 0)
		r = disk_path(current, "%s/current/", d->st.lib);
	if (r == 0)
		r = disk_path(staged, "%s/", g->dir);
	if (r == 0)
		r = blob_load(&in, source, CONF_FILE_MAX);
	if (r == 0)
		r = blob_room(&out, CONF_FILE_MAX);
	if (r == 0) {
		w = blob_wr(&out);
		swap_write(&w, blob_span(&in), &s, 1);
		r = blob_take(&out, &w);
	}
	if (r == 0)
		r = write_plain(file, blob_span(&out));
	if (r == 0 && symlink(dir, link) < 0)
		r = -errno;
	if (r < 0) {
		snprintf(why, WHY_MAX, "preparing the check of %s: %s", part_name[part], err_str(r));
		return r;
	}
	snprintf(credentials, sizeof(credentials), "CREDENTIALS_DIRECTORY=%s/credentials", scratch);
	r = spawn_wait((const char *const[]){ program, "-n", "-c", file, NULL },
		       (const char *const[]){ credentials, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL }, CHECK_LIMIT, output,
		       sizeof(output));
	return say(r, part_name[part], output, why);
}

/* --- the front ------------------------------------------------------------------------------------------ */

static bool is_word(struct span line, size_t at, const char *word)
{
	size_t n = strlen(word);

	return line.n - at > n && memcmp(line.p + at, word, n) == 0 && (line.p[at + n] == ' ' || line.p[at + n] == '\t');
}

/* nginx -t binds what it is told to listen on: a copy must not ask for the ports that the running one has. */
static void write_line(struct wr *w, struct span line, const char *scratch, unsigned *sockets)
{
	size_t at = 0;

	while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	if (!is_word(line, at, "listen")) {
		wr_span(w, line);
		return;
	}
	at += strlen("listen");
	while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	while (at < line.n && !strchr(" \t;", line.p[at]))
		at++;
	wr_str(w, "listen unix:");
	wr_str(w, scratch);
	wr_str(w, "/");
	wr_dec(w, (*sockets)++);
	wr_str(w, ".s");
	wr_span(w, span_of(line.p + at, line.n - at));
}

static void write_front(struct wr *w, struct span text, const char *scratch)
{
	unsigned sockets = 0;

	for (size_t at = 0; at < text.n;) {
		const uint8_t *end = memchr(text.p + at, '\n', text.n - at);
		size_t n = end ? (size_t)(end - text.p) - at + 1 : text.n - at;

		write_line(w, span_of(text.p + at, n), scratch, &sockets);
		at += n;
	}
}

/* The file of the first `ssl_certificate_key` that is not there, or NULL. */
static const char *missing_key(struct span text, char ret[DISK_PATH_MAX])
{
	static const char word[] = "ssl_certificate_key ";
	const uint8_t *at = memmem(text.p, text.n, word, sizeof(word) - 1);
	const uint8_t *end;

	if (!at)
		return NULL;
	at += sizeof(word) - 1;
	end = memchr(at, ';', text.n - (size_t)(at - text.p));
	if (!end || disk_path(ret, "%.*s", (int)(end - at), (const char *)at) < 0)
		return NULL;
	return access(ret, R_OK) < 0 ? ret : NULL;
}

/* The line that tells what is wrong; others follow it. */
static char *nginx_line(char *output)
{
	char *at = strstr(output, "[emerg]");

	if (!at)
		return output;
	at[strcspn(at, "\n")] = '\0';
	return at;
}

static int check_front(const struct generation *g, const char *scratch, char why[WHY_MAX])
{
	const struct swap theirs[] = {
		{ "/run/oxpulse-front", scratch }, { "/var/log/oxpulse-front", scratch }, { "/var/lib/oxpulse-front", scratch } };
	CLEANUP(blob_done) struct blob in = { 0 }, out = { 0 }, swapped = { 0 };
	char source[DISK_PATH_MAX], file[DISK_PATH_MAX], key[DISK_PATH_MAX], output[OUTPUT_MAX] = "";
	const char *nginx = disk_nginx();
	struct wr w;
	int r = disk_path(source, "%s/front/nginx.conf", g->dir);

	if (r == 0)
		r = disk_path(file, "%s/nginx.conf", scratch);
	if (r == 0)
		r = blob_load(&in, source, RENDER_BYTES_MAX);
	if (r == 0 && !nginx) {
		log_notice("nginx is not installed, so the front's file was not checked");
		return 0;
	}
	if (r == 0 && missing_key(blob_span(&in), key)) {
		log_notice("the front's file was not checked: there is no certificate yet (%s)", key);
		return 0;
	}
	if (r == 0)
		r = blob_room(&out, RENDER_BYTES_MAX);
	if (r == 0)
		r = blob_room(&swapped, RENDER_BYTES_MAX);
	if (r == 0) {
		w = blob_wr(&swapped);
		swap_write(&w, blob_span(&in), theirs, ARRAY_LEN(theirs));
		r = blob_take(&swapped, &w);
	}
	if (r == 0) {
		w = blob_wr(&out);
		write_front(&w, blob_span(&swapped), scratch);
		r = blob_take(&out, &w);
	}
	if (r == 0)
		r = write_plain(file, blob_span(&out));
	if (r < 0) {
		snprintf(why, WHY_MAX, "preparing the check of the front: %s", err_str(r));
		return r;
	}
	r = spawn_wait((const char *const[]){ nginx, "-t", "-q", "-p", scratch, "-c", file, "-e", "stderr", NULL },
		       (const char *const[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL }, CHECK_LIMIT, output, sizeof(output));
	return say(r, "nginx", nginx_line(output), why);
}

void check_tidy(const struct refreshd *d)
{
	char scratch[DISK_PATH_MAX];

	if (disk_path(scratch, "%s/check", d->st.lib) == 0)
		(void)disk_remove_tree(scratch);
}

int check_parts(const struct refreshd *d, const struct generation *g, unsigned parts, char why[WHY_MAX])
{
	char scratch[DISK_PATH_MAX];
	int r = scratch_make(d, scratch);

	if (r == 0)
		r = credentials_make(d, g, scratch);
	if (r < 0)
		snprintf(why, WHY_MAX, "making %.250s: %s", scratch, err_str(r));
	for (int p = 0; r == 0 && p < PART_MAX_; p++) {
		if (parts & 1U << p)
			r = p == PART_FRONT ? check_front(g, scratch, why) : check_daemon(d, g, p, scratch, why);
	}
	check_tidy(d);
	return r < 0 ? ERR_UNEXPECTED : 0;
}
