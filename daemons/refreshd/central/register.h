/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Registering: the request, what each answer means, and what of a good answer does not live in the node document. The token works
 * once, so nothing is retried that may have worked without saying so. No text of a body gets into a message.
 * Pure. spec: control plane 1.1.
 */
#ifndef REFRESHD_REGISTER_H
#define REFRESHD_REGISTER_H

#include "refreshd/node/node.h"

struct register_request {
	const char *partner_id, *domain;
	const struct secret *token;
	const char *public_ip;                        /* NULL or "": not sent, as the rest; white space around is taken off */
	const char *region, *awg_pubkey, *reality_public_key, *reality_uuid;
	struct span branding;                         /* JSON object, verbatim; empty: not sent */
};
/* ERR_MALFORMED with *diag: one of them cannot be right, so nothing need be sent. ERR_LIMIT, ERR_NOMEM. */
int register_write(const struct register_request *q, struct wr *w, struct node_diag *diag);

enum register_next { REGISTER_OK, REGISTER_RETRY, REGISTER_STOP };
/* What an answer means. status 0: none came (why: the transport's words). maybe_sent: this try or an earlier one of this run may
 * have reached central and got no answer, so the token may be used up. For any but REGISTER_OK diag->text is one sentence with
 * cause and fix, field central's code where it gave one. REGISTER_OK: the body looks like a document; node_parse judges it. */
enum register_next register_judge(int status, struct span body, const char *why, bool maybe_sent, struct node_diag *diag);

struct register_extra {
	struct secret service_token;     /* stkn_; unset when omitted, which is what a second registration gets */
	struct secret cross_probe_token; /* xprb_; unset when omitted or refused: it can be fetched later */
	bool cross_probe_refused;        /* one was sent that is none */
};
/* ERR_MALFORMED: no JSON object, or a service token that is none. ERR_NOMEM. */
int register_extra_parse(struct span body, struct register_extra *ret, struct node_diag *diag);
void register_extra_done(struct register_extra *e);

#endif
