/* SPDX-License-Identifier: AGPL-3.0-only */
/* One varlink request as a pure function of its bytes, so that it can be fuzzed without a socket. */
#ifndef SYS_VARLINK_MSG_H
#define SYS_VARLINK_MSG_H

#include <stdbool.h>

#include "base/json.h"

#define VARLINK_METHOD_MAX 128 /* bytes with the NUL */

struct varlink_msg {
	struct json doc; /* borrows the message and the tokens */
	char method[VARLINK_METHOD_MAX];
	size_t interface_n; /* the interface is method[0..interface_n) */
	int params;         /* token of the parameters object, -1 when absent or null */
	bool oneway, more, upgrade;
};

/* msg: without its NUL. Unknown members are tolerated. ERR_LIMIT (tokens, depth), ERR_MALFORMED. */
int varlink_parse(struct span msg, struct json_tok *tok, uint32_t max, struct varlink_msg *ret);

/* Bytes of the interface in "io.oxpulse.Edge.Status", or 0 when the text is no method name. */
size_t varlink_method_split(struct span method);

#endif
