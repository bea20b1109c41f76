/* SPDX-License-Identifier: AGPL-3.0-only */
/* The steps of a refresh: none stops another, each tells its outcome to the report. */
#ifndef REFRESHD_SHELL_STEPS_H
#define REFRESHD_SHELL_STEPS_H

#include "refreshd/refreshd.h"

/* What a run heard from central. */
struct news {
	bool has_keys;
	struct central_keys keys; /* borrows from the next */
	struct reply keys_reply;
	struct blob doc;          /* node-config's answer, good as a whole; empty: none */
	struct generation now;    /* in force when the run began */
	char hysteria2[NODE_NAME_MAX]; /* of the document; "": the channel is off */
	bool new_token;           /* a cross-probe token: healthd is to hear of it */
};

void step_keys(struct refreshd *d, struct news *n);
void step_heartbeat(struct refreshd *d, struct news *n);
void step_cross_probe(struct refreshd *d, struct news *n);
void step_node_config(struct refreshd *d, struct news *n);
void step_hy2(struct refreshd *d, struct news *n);

/* The text as JSON, where w stands. */
struct span json_quoted(struct wr *w, const char *text);
/* The keys' part of a candidate: versions, Reality fields, SFU key. */
int news_patch(const struct news *n, struct candidate *c);
void news_done(struct news *n);

#endif
