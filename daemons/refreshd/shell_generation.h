/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Generations: every state of the configuration is a directory below <lib>/generations, and <lib>/current is a symbolic link to
 * the one in force. A change is staged beside it, checked, flipped in by one rename and, once verified end to end, kept;
 * otherwise flipped back. What is half done is written down first (<lib>/apply.json), so that whoever comes next, after a crash
 * at any instant, finishes or undoes it.
 *
 *   phase      journal on disk         current   after a crash
 *   staging    none                    old       the new directory has no manifest: removed
 *   staged     none                    old       newer than what is in force, so nobody wanted it: removed
 *   flipping   { from, to, "flipping"}  either    back to `from`, its daemons reloaded
 *   verifying  { from, to, "verifying"} new       back to `from`, its daemons reloaded
 *   kept       none                    new       -
 *
 * Everything here is done while holding <lib>/refresh.lock.
 */
#ifndef REFRESHD_SHELL_GENERATION_H
#define REFRESHD_SHELL_GENERATION_H

#include "refreshd/render/render.h"

#define GENERATIONS_KEPT 5

struct state {
	char lib[256], etc[256]; /* /var/lib/oxpulse-partner-edge, /etc/oxpulse-partner-edge */
	int lock;                /* -1: not held */
};

struct generation {
	uint64_t number;      /* 0: none */
	char dir[320];
	char reason[64];      /* "register", "refresh", "rotate-sni", "rollback" */
	char made_at[32];     /* RFC 3339 */
	char keys_version[129], channels_version[129];
	char server_name[NODE_NAME_MAX]; /* the day's pick */
};

/* Makes <lib> where it is missing; waits at most wait_us for the lock. -ETIMEDOUT says who holds it, in the log. */
int state_lock(struct state *s, uint64_t wait_us);
void state_unlock(struct state *s);

/* The generation in force, or number 0. -errno, ERR_MALFORMED: it is damaged; number and dir are told where the link names them. */
int generation_current(const struct state *s, struct generation *ret);
/* A complete generation by number, for rollback and status. -ENOENT. */
int generation_find(const struct state *s, uint64_t number, struct generation *ret);
/* The newest complete one before that number. -ENOENT. */
int generation_before(const struct state *s, uint64_t number, struct generation *ret);

/* Writes files and manifest (their sha256, g's texts) into a new directory; g's number and dir are set. Nothing is in force yet. */
int generation_stage(const struct state *s, const struct render_set *files, struct span node_doc, struct generation *g);
void generation_discard(const struct generation *g);

/* Who must reload: parts whose files differ between two generations; all of them when old has number 0. -errno. */
int generation_diff(const struct generation *old, const struct generation *new, unsigned *ret_parts);
/* 0, or ERR_UNEXPECTED with the path of the first file that is not as its manifest says. */
int generation_intact(const struct generation *g, char *ret_path, size_t cap);

/* One file of a generation as its manifest has it. */
struct manifest_file {
	char path[96], sha256[65], credential[65]; /* credential "": it is none */
	unsigned parts;
};
struct manifest {
	uint32_t n;
	struct manifest_file file[RENDER_FILES_MAX + 1]; /* the node document among them */
};
int generation_manifest(const struct generation *g, struct manifest *ret);
/* Whether these files are those of the generation, by their sums; the node document does not count. */
bool generation_has(const struct manifest *m, const struct render_set *files);

/* The journal, then the link. Whoever flips back reloads before generation_end, so that a crash in between is seen, too. */
int generation_flip(const struct state *s, const struct generation *from, const struct generation *to);
int generation_verifying(const struct state *s, const struct generation *from, const struct generation *to);
int generation_back(const struct state *s, const struct generation *from);
/* What is in force stays: the journal goes. */
int generation_end(const struct state *s);
/* 1 and both generations when a crash left a journal; 0 when not. The newer one may be incomplete: number and dir only. */
int generation_interrupted(const struct state *s, struct generation *ret_from, struct generation *ret_to);
/* Keeps the newest GENERATIONS_KEPT complete ones up to the current one; removes the rest, newer ones and what is half made. While
 * the current one is damaged nothing is removed. */
int generation_prune(const struct state *s);

#endif
