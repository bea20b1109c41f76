/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The template language of the front's nginx.conf.in; its grammar is at the tops of that file and of front.values:
 *
 *   NAME=text, NAME?=text   in values: a value, one that may be empty; text may use others as @name@
 *   @name@                  in the template and in values: the value, filled in turn
 *   @?name@ text            the line is kept, without the mark, when NAME has a value
 *   # text                  a comment, in both
 *
 * Nothing unfilled gets out: a name that nobody gave, a name nobody knows, a value that could break out of its directive and a
 * stray @ are errors that name it and its line. Pure.
 */
#ifndef REFRESHD_TEMPLATE_H
#define REFRESHD_TEMPLATE_H

#include "refreshd/node/node.h"

#define TEMPLATE_DEPTH 8 /* values within values */

struct template_values {
	const char *from; /* for messages: "front.values" */
	struct span text;
};

/* values[0] says which names there are; later lines and later values win. The value "auto" of IPV6, HTTP2_PARAMETER,
 * HTTP2_DIRECTIVE and HTTPS_SUFFIX is worked out from ipv6, nginx_version and HTTPS_PORT. ERR_MALFORMED, ERR_MISSING with *diag,
 * ERR_LIMIT. */
int template_fill(struct span text, const struct template_values *values, size_t n_values, const char *nginx_version, bool ipv6,
		  struct wr *out, struct node_diag *diag);

#endif
