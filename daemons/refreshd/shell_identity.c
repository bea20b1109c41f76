/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_identity.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "refreshd/shell_disk.h"
#include "sys/file_atomic.h"
#include "sys/log.h"
#include "sys/rng_kernel.h"

#define TEXT_MAX 128

struct item {
	const char *name;
	mode_t mode;
	char text[TEXT_MAX]; /* without the line end; "": missing */
};

static void done(struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		wipe(items[i].text, TEXT_MAX);
}

/* How many of them are there, or -errno. */
static int read_items(const char *etc, struct item *items, size_t n)
{
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		char path[DISK_PATH_MAX];
		size_t len;
		int r = disk_path(path, "%s/%s", etc, items[i].name);

		if (r == 0)
			r = conf_file_read(path, items[i].text, TEXT_MAX, &len);
		if (r == -ENOENT) {
			items[i].text[0] = '\0';
			continue;
		}
		if (r < 0)
			return log_err(r, "reading %s", path);
		items[i].text[strcspn(items[i].text, " \t\r\n")] = '\0';
		found += items[i].text[0] != '\0';
	}
	return found;
}

static int write_items(const char *etc, const struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[DISK_PATH_MAX], line[TEXT_MAX + 2];
		int len = snprintf(line, sizeof(line), "%s\n", items[i].text);
		int r = disk_path(path, "%s/%s", etc, items[i].name);

		if (r == 0)
			r = file_write_atomic(path, span_of(line, (size_t)len), items[i].mode);
		wipe(line, sizeof(line));
		if (r < 0)
			return log_err(r, "writing %s", path);
	}
	return 0;
}

/* Three files cannot appear in one step: all are in one file first, and whoever finds it finishes. */
#define REALITY_NEW "reality.new"

static int reality_plan(const char *path, const struct item items[3])
{
	char text[4 * TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s\n", items[0].text, items[1].text, items[2].text);
	int r = file_write_atomic(path, span_of(text, (size_t)n), 0600);

	wipe(text, sizeof(text));
	return r < 0 ? log_err(r, "writing %s", path) : 0;
}

/* 1: items are those of the plan; 0: there is none. */
static int reality_planned(const char *path, struct item items[3])
{
	char text[4 * TEXT_MAX], *at = text;
	size_t n;
	int r = conf_file_read(path, text, sizeof(text), &n);

	if (r < 0)
		return r == -ENOENT ? 0 : log_err(r, "reading %s", path);
	for (size_t i = 0; i < 3; i++) {
		size_t len = strcspn(at, "\n");

		snprintf(items[i].text, TEXT_MAX, "%.*s", (int)(len < TEXT_MAX ? len : 0), at);
		at += len + (at[len] != '\0');
	}
	wipe(text, sizeof(text));
	return 1;
}

static int make_reality(const char *etc, struct item items[3])
{
	struct rng rng = rng_kernel();
	char path[DISK_PATH_MAX];
	int planned, r = disk_path(path, "%s/" REALITY_NEW, etc);

	if (r < 0)
		return r;
	planned = reality_planned(path, items);
	if (planned == 0) {
		r = keygen_pair(&rng, KEYGEN_REALITY, items[0].text, items[1].text);
		keygen_uuid(&rng, items[2].text);
		if (r == 0)
			r = reality_plan(path, items);
	}
	if (planned < 0)
		r = planned;
	if (r == 0)
		r = write_items(etc, items, 3);
	if (r == 0 && unlink(path) < 0)
		r = log_err(-errno, "removing %s", path);
	return r;
}

static bool has_plan(const char *etc)
{
	char path[DISK_PATH_MAX];

	return disk_path(path, "%s/" REALITY_NEW, etc) == 0 && disk_has(path);
}

static int partial(const char *etc, const struct item *items, size_t n, const char *what)
{
	char found[128], missing[128];
	struct wr f = wr_from(found, sizeof(found) - 1), m = wr_from(missing, sizeof(missing) - 1);

	for (size_t i = 0; i < n; i++) {
		struct wr *w = items[i].text[0] ? &f : &m;

		wr_str(w, wr_len(w) ? " " : "");
		wr_str(w, items[i].name);
	}
	found[wr_len(&f)] = missing[wr_len(&m)] = '\0';
	log_at(LOG_ERR, NULL,
	       "%s in %s is incomplete: found %s, missing %s; restore the missing from a backup, or remove all and register "
	       "with a fresh token",
	       what, etc, found, missing);
	return ERR_UNEXPECTED;
}

static int unfit(const char *etc, const char *name, const char *why)
{
	log_at(LOG_ERR, NULL,
	       "%s/%s %s; restore it from a backup, or remove it with its siblings and register with a fresh token", etc, name,
	       why);
	return ERR_MALFORMED;
}

static int load_reality(const char *etc, struct identity *ret)
{
	struct item items[] = { { "reality.priv", 0600, "" }, { "reality.pub", 0644, "" }, { "reality.uuid", 0644, "" } };
	char pub[KEYGEN_TEXT];
	int n = read_items(etc, items, ARRAY_LEN(items)), r = n < 0 ? n : 0;

	if (n == 0 || (n > 0 && has_plan(etc))) {
		r = make_reality(etc, items);
	} else if (n > 0 && n < (int)ARRAY_LEN(items)) {
		r = partial(etc, items, ARRAY_LEN(items), "the Reality identity");
	} else if (n > 0) {
		if (keygen_public(KEYGEN_REALITY, span_str(items[0].text), pub) < 0)
			r = unfit(etc, items[0].name, "is no key of 43 letters");
		else if (strcmp(pub, items[1].text) != 0)
			r = unfit(etc, items[1].name, "does not belong to reality.priv");
		else if (!keygen_is_uuid(span_str(items[2].text)))
			r = unfit(etc, items[2].name, "is no UUID");
	}
	if (r == 0) {
		snprintf(ret->reality_public, sizeof(ret->reality_public), "%.43s", items[1].text);
		snprintf(ret->uuid, sizeof(ret->uuid), "%.36s", items[2].text);
	}
	done(items, ARRAY_LEN(items));
	return r;
}

/* A usable private key is enough: the public one follows from it. */
static int load_awg(const char *etc, struct identity *ret)
{
	struct item items[] = { { "awg-private.key", 0600, "" }, { "awg-public.key", 0644, "" } };
	struct rng rng = rng_kernel();
	char pub[KEYGEN_TEXT];
	int n = read_items(etc, items, ARRAY_LEN(items)), r = n < 0 ? n : 0;

	if (n == 0) {
		r = keygen_pair(&rng, KEYGEN_AWG, items[0].text, items[1].text);
		if (r == 0)
			r = write_items(etc, items, ARRAY_LEN(items));
	} else if (n > 0 && items[0].text[0] == '\0') {
		r = partial(etc, items, ARRAY_LEN(items), "the mesh key");
	} else if (n > 0 && keygen_public(KEYGEN_AWG, span_str(items[0].text), pub) < 0) {
		r = unfit(etc, items[0].name, "is no key of 44 letters");
	} else if (n > 0 && strcmp(pub, items[1].text) != 0) {
		snprintf(items[1].text, TEXT_MAX, "%s", pub);
		r = write_items(etc, &items[1], 1);
	}
	if (r == 0)
		snprintf(ret->awg_public, sizeof(ret->awg_public), "%.44s", items[1].text);
	done(items, ARRAY_LEN(items));
	return r;
}

int identity_load(const char *etc, struct identity *ret)
{
	int r = disk_make_dir(etc, 0755);

	if (r < 0)
		return log_err(r, "making %s", etc);
	r = load_reality(etc, ret);
	return r < 0 ? r : load_awg(etc, ret);
}
