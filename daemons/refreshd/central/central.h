/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What central says and hears, as values: bodies of requests built, answers parsed. Nothing here trusts an answer: sizes, types
 * and characters are checked, and no text of a body gets into a message. Registering has a file of its own.
 * Pure. spec: control plane 1.2 to 1.7.
 */
#ifndef REFRESHD_CENTRAL_H
#define REFRESHD_CENTRAL_H

#include "refreshd/central/register.h"
#include "refreshd/central/sfu_key.h"
#include "refreshd/node/node.h"

#define CENTRAL_KEYS_MAX (64 * 1024) /* bytes of an answer to keys */

/* --- 1.2 keys --- */

struct central_keys {
	char version[129];            /* required, not "" and not "null" */
	char channels_version[129];   /* "": none */
	bool has_reality; /* all three below were there and valid; if some were, but not all, *diag says what is wrong */
	char reality_public_key[48];
	char reality_encryption[NODE_ENCRYPTION_MAX];
	struct span server_names;     /* JSON text of the array, valid; borrowed from the body */
	char sfu_pem[SFU_PEM_MAX];    /* canonical PEM; "": none was sent */
	bool sfu_refused;             /* one was sent that is no Ed25519 key */
};
/* ERR_MISSING, ERR_MALFORMED: no version, or no JSON. */
int central_keys_parse(struct span body, struct central_keys *ret, struct node_diag *diag);

/* --- 1.3 heartbeat, 1.6 cross-probe token, 1.7 hy2 credentials --- */

void heartbeat_write(const char *node_id, struct wr *w);
/* ERR_MISSING: nothing in it; ERR_MALFORMED: no xprb_ token. */
int cross_probe_parse(struct span body, struct secret *ret);
struct hy2_credentials {
	struct secret auth_pass, obfs_pass;
};
/* ERR_MISSING: one of them is not there, so the channel stays off. */
int hy2_parse(struct span body, struct hy2_credentials *ret, struct node_diag *diag);
void hy2_done(struct hy2_credentials *c);

#endif
