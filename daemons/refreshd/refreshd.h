/* SPDX-License-Identifier: AGPL-3.0-only */
/* refreshd: one run of the program, from its arguments to its exit code. Only shell files include this. */
#ifndef REFRESHD_REFRESHD_H
#define REFRESHD_REFRESHD_H

#include "refreshd/central/central.h"
#include "refreshd/shell_args.h"
#include "refreshd/shell_disk.h"
#include "refreshd/shell_generation.h"
#include "refreshd/shell_report.h"

#define WHY_MAX 384

struct refreshd {
	struct args args;
	struct state st;
	struct local local;
	struct report report;
	struct blob branding, manual, ca; /* files of register's options, read before root becomes another user */
	uint64_t patience; /* at most so long for one request to central; 0: what each is given */
};

/* Commands: each returns the exit code. */
int cmd_register(struct refreshd *d);
int register_inputs(struct refreshd *d); /* logs */
int cmd_refresh(struct refreshd *d);
int cmd_rotate(struct refreshd *d);
int cmd_render(struct refreshd *d);
int cmd_rollback(struct refreshd *d);
int cmd_recover(struct refreshd *d);
int cmd_status(struct refreshd *d);
int cmd_front(struct refreshd *d);

/* --- what the commands share (shell.c) --- */

/* The lock, the report, what a crash left, local facts. *ret_code is the exit code when it fails. */
int begin(struct refreshd *d, uint64_t wait_us, int *ret_code);
/* Metrics and report written, the lock let go; yields `code`. */
int finish(struct refreshd *d, int code);
/* 0 and the generation in force, or EX_CONFIG with a sentence in the log. */
int registered(struct refreshd *d, struct generation *ret);
/* install.env; one that is missing leaves the defaults. Logs. */
int local_load(struct refreshd *d);
int local_save(struct refreshd *d);

/* --- a configuration that may come into force (shell_candidate.c) --- */

struct candidate {
	struct blob doc;          /* the node document */
	struct node *node;        /* of it, once rendered */
	struct generation head;   /* reason, versions, the day's server name */
	char pem[SFU_PEM_MAX];    /* "": none */
	struct blob arena, moved; /* what set points into */
	struct render_set set;
	char date[11];
	uint32_t pick, pool;      /* index of the server name and how many there are */
};

/* Document, key and versions of a generation, to be changed and rendered. Logs. */
int candidate_from(struct candidate *c, const struct generation *g, const char *reason);
/* All files. why: one sentence when not. */
int candidate_render(struct refreshd *d, struct candidate *c, char why[WHY_MAX]);
/* Whether it is the generation in force already. -errno, ERR_MALFORMED. */
int candidate_is(const struct candidate *c, const struct generation *g, bool *ret);
void candidate_done(struct candidate *c);

/* --- apply (shell_apply.c) --- */

enum applied { APPLY_SAME, APPLY_KEPT, APPLY_REFUSED, APPLY_BACK };
/* Renders, and if anything differs: stages, checks, flips, reloads, verifies, keeps or flips back. Logs and counts; why of the
 * last two. */
enum applied apply(struct refreshd *d, struct candidate *c, char why[WHY_MAX]);
/* Undoes what a crash left, seen by its journal. 0, or an error that was logged. */
int apply_recover(struct refreshd *d);
/* Files outside of the generation that follow it: links in <etc>, copies for older tools. Logs what fails. */
void copies_link(const struct refreshd *d);
void copies_write(struct refreshd *d, const struct generation *g);

/* Tokens in <etc> that healthd has as credentials, beside those of the generation. */
struct token_file {
	const char *name, *credential;
};
extern const struct token_file token_files[2];

/* --- checks and reloads (shell_check.c, shell_reload.c, shell_health.c) --- */

/* Runs every changed part's own check on its new file. ERR_UNEXPECTED with its words. */
int check_parts(const struct refreshd *d, const struct generation *g, unsigned parts, char why[WHY_MAX]);
/* What a crash left of it goes. */
void check_tidy(const struct refreshd *d);

/* Reloads these parts with the files in force; those that do not run are left out of *ret_live. First error stops. strict: a
 * front whose reload nobody carries out is an error. */
int reload_parts(struct refreshd *d, const struct generation *g, unsigned parts, bool strict, unsigned *ret_live,
		 char why[WHY_MAX]);
/* Every one of these daemons says that it serves. */
int reload_serving(const struct refreshd *d, unsigned live, char why[WHY_MAX]);
/* healthd gets the tokens that are files of their own. Logs. */
void reload_tokens(struct refreshd *d);
/* Restarts daemons without sessions that wait for it; forgets those that were restarted meanwhile. */
void reload_pending(struct refreshd *d);

#define HEALTH_CHECKS_MAX 64
struct health {
	uint32_t n;
	struct {
		char name[64];
		bool ok, failed;
	} check[HEALTH_CHECKS_MAX];
};
/* n is 0 where there is no such program or no answer. */
void health_look(const struct refreshd *d, struct health *ret);
/* The first check that was well before and is not now, or NULL. */
const char *health_worse(const struct health *before, const struct health *now);

/* --- central (shell_central.c) --- */

struct reply {
	int r, status;     /* as in http_answer; status 0: no answer */
	bool maybe_sent;   /* the request may have arrived */
	char why[WHY_MAX];
	struct blob body;
};
struct ask {
	const char *method, *path;
	const struct secret *bearer;
	const char *header;
	struct span body;
	uint64_t timeout_us;
	size_t reply_max;
	bool follow;
};
void central_ask(const struct refreshd *d, const struct ask *q, struct reply *ret);
void reply_done(struct reply *p);
static inline bool reply_good(const struct reply *p)
{
	return p->r == 0 && p->status >= 200 && p->status < 300;
}
/* "central's keys: HTTP 500", or what the transport said. */
void reply_why(const struct reply *p, const char *what, char why[WHY_MAX]);

/* The service token: environment, else <etc>/token. ERR_MISSING, -errno. */
int service_token(const struct refreshd *d, struct secret *ret);

#endif
