/* SPDX-License-Identifier: AGPL-3.0-only */
/* Each phase of a generation, and what is found when whoever was at work died between two calls. */
#include "refreshd/shell_generation.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refreshd/shell_disk.h"
#include "sys/log.h"
#include "t.h"

#define DOC SPAN_LIT("{\"node_id\":\"n\"}")

static struct state s;
static char dir[64];

static void end(void)
{
	state_unlock(&s);
	EQ(disk_remove_tree(dir), 0);
}

static void begin(void)
{
	log_open("test", LOG_EMERG);
	strcpy(dir, "/tmp/generation.XXXXXX");
	OK(mkdtemp(dir) != NULL);
	s = (struct state){ .lock = -1 };
	snprintf(s.lib, sizeof(s.lib), "%s/lib", dir);
	EQ(state_lock(&s, 0), 0);
}

static struct render_set set_of(const char *sfud, const char *secret)
{
	return (struct render_set){
		.file =
			{
				{ .path = "sfud.conf", .parts = 1 << PART_SFUD, .text = span_str(sfud) },
				{ .path = "turnd.conf", .parts = 1 << PART_TURND, .text = SPAN_LIT("t") },
				{ .path = "front/nginx.conf", .parts = 1 << PART_FRONT, .text = SPAN_LIT("") },
				{ .path = "secrets/sfu-secret",
				 .credential = "sfu-secret",
				 .parts = 1 << PART_SFUD | 1 << PART_HEALTHD,
				 .secret = true,
				 .text = span_str(secret) },
			},
		.n = 4,
	};
}

static struct generation stage(const char *sfud, const char *secret)
{
	struct render_set set = set_of(sfud, secret);
	struct generation g = {
		.reason = "refresh", .made_at = "2026-11-23T00:00:00Z", .keys_version = "k", .channels_version = "c" };

	EQ(generation_stage(&s, &set, DOC, &g), 0);
	return g;
}

static struct generation kept(const struct generation *from, const char *sfud, const char *secret)
{
	struct generation g = stage(sfud, secret);

	EQ(generation_flip(&s, from, &g), 0);
	EQ(generation_verifying(&s, from, &g), 0);
	EQ(generation_end(&s), 0);
	return g;
}

static const struct generation none;

static uint64_t in_force(void)
{
	struct generation g;

	EQ(generation_current(&s, &g), 0);
	return g.number;
}

static unsigned mode_of(const struct generation *g, const char *name)
{
	char path[DISK_PATH_MAX];
	struct stat st = { 0 };

	EQ(disk_path(path, "%s/%s", g->dir, name), 0);
	EQ(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void staged_is_whole_and_not_in_force(void)
{
	struct generation g, found;
	struct manifest m;
	char path[512];

	begin();
	EQ(in_force(), 0);
	g = stage("a", "x");
	EQ(g.number, 1);
	EQ(in_force(), 0);
	EQ(generation_find(&s, 1, &found), 0);
	EQ_STR(found.keys_version, "k");
	EQ_STR(found.channels_version, "c");
	EQ_STR(found.made_at, "2026-11-23T00:00:00Z");
	EQ_STR(found.reason, "refresh");
	EQ(generation_find(&s, 2, &found), -ENOENT);
	EQ(generation_intact(&g, path, sizeof(path)), 0);
	EQ(mode_of(&g, "sfud.conf"), 0644);
	EQ(mode_of(&g, "secrets/sfu-secret"), 0600);
	EQ(mode_of(&g, "secrets"), 0700);
	EQ(mode_of(&g, "node-config.json"), 0600);
	EQ(generation_manifest(&g, &m), 0);
	EQ(m.n, 5);
	EQ_STR(m.file[4].credential, "sfu-secret");
	EQ(m.file[4].parts, 1U << PART_SFUD | 1U << PART_HEALTHD);
	end();
}

static void flipped_verified_kept(void)
{
	struct generation a, b, from, to;

	begin();
	a = kept(&none, "a", "x");
	EQ(in_force(), 1);
	b = stage("b", "x");
	EQ(b.number, 2);
	EQ(generation_flip(&s, &a, &b), 0);
	EQ(in_force(), 2);
	EQ(generation_verifying(&s, &a, &b), 0);
	EQ(generation_end(&s), 0);
	EQ(generation_interrupted(&s, &from, &to), 0);
	EQ(in_force(), 2);
	EQ(generation_before(&s, 2, &from), 0);
	EQ(from.number, 1);
	EQ(generation_before(&s, 1, &from), -ENOENT);
	end();
}

static void flipped_back(void)
{
	struct generation a, b;

	begin();
	a = kept(&none, "a", "x");
	b = stage("b", "x");
	EQ(generation_flip(&s, &a, &b), 0);
	EQ(generation_back(&s, &a), 0);
	EQ(generation_end(&s), 0);
	EQ(in_force(), 1);
	generation_discard(&b);
	OK(!disk_has(b.dir));
	b = stage("b", "x");
	EQ(generation_flip(&s, &none, &b), 0);
	EQ(generation_back(&s, &none), 0);
	EQ(in_force(), 0);
	end();
}

/* Whoever was at work died right after the named call. */
static void crashes(void)
{
	static const struct {
		const char *row;
		int calls;
		bool journal;
		uint64_t now;
	} rows[] = {
		{ "staged: ", 0, false, 1 },   { "flipped: ", 1, true, 2 },      { "verifying: ", 2, true, 2 },
		{ "flipped back: ", 3, true, 1 }, { "ended: ", 4, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct generation a, b, from = { 0 }, to = { 0 };

		begin();
		t_row = rows[i].row;
		a = kept(&none, "a", "x");
		b = stage("b", "x");
		EQ(rows[i].calls >= 1 ? generation_flip(&s, &a, &b) : 0, 0);
		EQ(rows[i].calls >= 2 ? generation_verifying(&s, &a, &b) : 0, 0);
		EQ(rows[i].calls >= 3 ? generation_back(&s, &a) : 0, 0);
		EQ(rows[i].calls >= 4 ? generation_end(&s) : 0, 0);
		EQ(in_force(), rows[i].now);
		EQ(generation_interrupted(&s, &from, &to), rows[i].journal);
		EQ(from.number, rows[i].journal ? 1 : 0);
		EQ(to.number, rows[i].journal ? 2 : 0);
		EQ(generation_back(&s, &a), 0);
		EQ(generation_end(&s), 0);
		EQ(generation_prune(&s), 0);
		EQ(in_force(), 1);
		OK(!disk_has(b.dir));
		OK(disk_has(a.dir));
		end();
	}
}

static void half_made_is_removed(void)
{
	struct generation a, g;
	char path[DISK_PATH_MAX];

	begin();
	a = kept(&none, "a", "x");
	g = stage("b", "x");
	EQ(disk_path(path, "%s/manifest.json", g.dir), 0);
	EQ(unlink(path), 0);
	EQ(generation_find(&s, g.number, &g), -ENOENT);
	g = stage("c", "x");
	EQ(g.number, 3);
	EQ(generation_prune(&s), 0);
	EQ(generation_find(&s, 1, &a), 0);
	EQ(disk_path(path, "%s/generations/2", s.lib), 0);
	OK(!disk_has(path));
	end();
}

static void who_must_reload(void)
{
	static const struct {
		const char *row, *sfud, *secret;
		unsigned parts;
	} rows[] = {
		{ "nothing: ", "a", "x", 0 },
		{ "a file: ", "b", "x", 1 << PART_SFUD },
		{ "a secret: ", "a", "y", 1 << PART_SFUD | 1 << PART_HEALTHD },
	};
	struct render_set less;
	struct generation a, b;
	struct manifest m;
	unsigned parts = 99;

	begin();
	a = kept(&none, "a", "x");
	EQ(generation_manifest(&a, &m), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct render_set set = set_of(rows[i].sfud, rows[i].secret);

		t_row = rows[i].row;
		EQ(generation_has(&m, &set), rows[i].parts == 0);
		b = stage(rows[i].sfud, rows[i].secret);
		EQ(generation_diff(&a, &b, &parts), 0);
		EQ(parts, rows[i].parts);
	}
	t_row = "";
	EQ(generation_diff(&none, &b, &parts), 0);
	EQ(parts, (1U << PART_MAX_) - 1);
	less = set_of("a", "x");
	less.n = 1; /* files that are gone */
	b = (struct generation){ 0 };
	EQ(generation_has(&m, &less), false);
	EQ(generation_stage(&s, &less, DOC, &b), 0);
	EQ(generation_diff(&a, &b, &parts), 0);
	EQ(parts, 1U << PART_TURND | 1U << PART_FRONT | 1U << PART_SFUD | 1U << PART_HEALTHD);
	end();
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	OK(f && fputs(text, f) >= 0);
	if (f)
		fclose(f);
}

static void damage_is_seen(void)
{
	struct generation a, from, to;
	char path[DISK_PATH_MAX], bad[512];

	begin();
	a = kept(&none, "a", "x");
	EQ(disk_path(path, "%s/turnd.conf", a.dir), 0);
	put(path, "other");
	EQ(generation_intact(&a, bad, sizeof(bad)), ERR_UNEXPECTED);
	EQ_STR(bad, path);
	EQ(unlink(path), 0);
	EQ(generation_intact(&a, bad, sizeof(bad)), ERR_UNEXPECTED);
	EQ(disk_path(path, "%s/apply.json", s.lib), 0);
	put(path, "{\"from\":");
	EQ(generation_interrupted(&s, &from, &to), ERR_MALFORMED);
	put(path, "{\"from\":7,\"to\":8}");
	EQ(generation_interrupted(&s, &from, &to), -ENOENT);
	EQ(disk_path(path, "%s/manifest.json", a.dir), 0);
	put(path, "[");
	EQ(generation_current(&s, &from), ERR_MALFORMED);
	EQ(from.number, 1);
	EQ_STR(from.dir, a.dir);
	EQ(generation_prune(&s), 0);
	OK(disk_has(a.dir));
	put(path, "{\"files\":[{\"path\":\"../../etc/passwd\",\"sha256\":\"\",\"parts\":[]}]}");
	EQ(generation_intact(&a, bad, sizeof(bad)), ERR_UNEXPECTED);
	EQ(unlink(path), 0);
	EQ(generation_current(&s, &from), ERR_MALFORMED);
	EQ(disk_path(path, "%s/current", s.lib), 0);
	EQ(unlink(path), 0);
	EQ(symlink("/etc", path), 0);
	EQ(generation_current(&s, &from), ERR_MALFORMED);
	EQ(from.number, 0);
	end();
}

static void five_are_kept(void)
{
	struct generation g = { 0 }, found;
	char path[DISK_PATH_MAX];

	begin();
	for (int i = 0; i < 8; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", i);
		g = kept(&g, text, "x");
		EQ(disk_path(path, "%s/left.new", s.lib), 0);
		put(path, "");
		EQ(generation_prune(&s), 0);
		OK(!disk_has(path));
	}
	EQ(in_force(), 8);
	EQ(generation_find(&s, 4, &found), 0);
	EQ(generation_find(&s, 3, &found), -ENOENT);
	end();
}

/* Nobody else can even read it: whoever can read a file can lock it. */
static void one_holds_the_lock(void)
{
	mode_t mask = umask(0);
	char path[DISK_PATH_MAX];
	struct stat st = { 0 };
	struct state other;

	begin();
	umask(mask);
	EQ(disk_path(path, "%s/refresh.lock", s.lib), 0);
	EQ(stat(path, &st), 0);
	EQ(st.st_mode & 0777, 0600);
	other = s;
	other.lock = -1;
	EQ(state_lock(&other, 0), -ETIMEDOUT);
	EQ(other.lock, -1);
	state_unlock(&s);
	EQ(state_lock(&other, 0), 0);
	state_unlock(&other);
	end();
}

T_MAIN(T(staged_is_whole_and_not_in_force), T(flipped_verified_kept), T(flipped_back), T(crashes), T(half_made_is_removed),
       T(who_must_reload), T(damage_is_seen), T(five_are_kept), T(one_holds_the_lock))
