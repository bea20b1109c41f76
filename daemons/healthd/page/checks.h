/* SPDX-License-Identifier: AGPL-3.0-only */
/* The results of the health check, and how they are told. Numbers and names are those of the existing system's tool, so
 * that who reads them goes on doing so. What runs them is shell_check*.c. Pure. */
#ifndef HEALTHD_CHECKS_H
#define HEALTHD_CHECKS_H

#include "base/err.h"
#include "base/mono.h"

#define CHECKS_MAX 48
#define CHECKS_TEXT_MAX 320
#define CHECKS_EXIT_MAX 60 /* beyond it begin the codes of sysexits(3) */

enum check_state { CHECK_OPEN, CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIP, CHECK_STATE_MAX_ };

/* One row of the table: 0 numbers end it. */
struct check_kind {
	unsigned number;
	const char *name;  /* "check_02_api_health" */
	const char *title; /* "the site answers /api/health" */
	const char *man;   /* what is proven, for the man page */
};
extern const struct check_kind check_kinds[];

struct check {
	unsigned number;
	char name[64], title[96];
	enum check_state state; /* OPEN: still under way */
	char cause[CHECKS_TEXT_MAX], fix[CHECKS_TEXT_MAX];
	uint64_t us;
};

struct checks {
	char domain[256];
	bool local;
	struct check c[CHECKS_MAX];
	uint32_t n;
};

/* A row of this number; part ("ch2", "sfud"; NULL: none) is joined to name and title. NULL: no such number, or full. */
struct check *checks_add(struct checks *t, unsigned number, const char *part);
/* ok clears cause and fix; any other state needs a cause. Texts are copied and cut. */
void check_end(struct check *c, enum check_state s, const char *cause, const char *fix);

uint32_t checks_count(const struct checks *t, enum check_state s);
int checks_exit(const struct checks *t); /* failures, at most CHECKS_EXIT_MAX */

/* A title, a line per check that ends in its state, cause and fix below it, and the sum. */
void checks_write_text(const struct checks *t, bool colours, struct wr *w);
void checks_write_json(const struct checks *t, struct wr *w);
void checks_write_man(struct wr *w); /* mdoc list items */

#endif
