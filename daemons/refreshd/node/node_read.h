/* SPDX-License-Identifier: AGPL-3.0-only */
/* Texts from outside, read with suspicion: typed members of a JSON object, and what may stand in a value. What is wrong is told
 * by the member's name, never by its content. Pure. */
#ifndef REFRESHD_NODE_READ_H
#define REFRESHD_NODE_READ_H

#include "base/json.h"
#include "refreshd/node/node.h"

/* Sets *d to `field` and the joined parts, bytes other than printable ASCII shown as '?', cut to fit; returns err. Parts end with
 * NULL; field NULL leaves the field as it is. */
int node_diag(struct node_diag *d, int err, const char *field, const char *const *part);
#define DIAG(d, err, field, ...) node_diag((d), (err), (field), (const char *const[]){ __VA_ARGS__, NULL })

#define DEC_MAX 21
const char *dec_text(uint64_t v, char buf[DEC_MAX]);

enum text_kind {
	TEXT_ANY,    /* what has no control character */
	TEXT_ID,     /* letters, digits, '.', '_', '-', not first a '.' or '-' */
	TEXT_NAME,   /* a DNS name */
	TEXT_HOST,   /* a DNS name or an IP address */
	TEXT_IP,     /* an IP address without port */
	TEXT_PREFIX, /* an IP address, perhaps with /length behind it */
	TEXT_WORD,   /* printable ASCII without blanks, quotes and backslash */
	TEXT_HEX,
	TEXT_KEY43,  /* base64url of 32 bytes */
	TEXT_KEY44,  /* base64 of 32 bytes */
	TEXT_KIND_MAX_
};
bool text_fits(enum text_kind kind, struct span s);
bool text_has_control(struct span s);
bool text_is_blank(struct span s); /* nothing but white space, or empty */
/* The next line without its end (LF, and any CR in front of it); false at the end of the text. */
bool text_line(struct rd *r, struct span *ret);
/* An address without the length behind it: "10.9.0.7/32" is "10.9.0.7". */
struct span text_without_length(struct span s);
/* "host:port", split at the last ':'; brackets of an IPv6 literal are taken off. ERR_MALFORMED. */
int text_split_port(struct span s, struct span *ret_host, uint16_t *ret_port);
int text_port(struct span digits, uint16_t *ret); /* 1 to 65535; ERR_MALFORMED */

/* A JSON object being read: fails once and stays failed, like a cursor. Then nothing more is written. */
struct node_in {
	const struct json *j;
	struct node_diag *diag;
	const char *where; /* "awg.": goes in front of a member's name */
	int err;
};

/* Sets err. what goes behind the member's name: " is not a string". */
void in_fail(struct node_in *in, int err, const char *key, const char *what);
/* Absent, null and blank are "". */
void in_text(struct node_in *in, int obj, const char *key, enum text_kind kind, char *buf, size_t cap);
void in_secret(struct node_in *in, int obj, const char *key, struct secret *ret);
/* A number, or digits in a string; absent, null and "" are dflt. */
void in_port(struct node_in *in, int obj, const char *key, uint16_t dflt, uint16_t *ret);
void in_u64(struct node_in *in, int obj, const char *key, uint64_t *ret); /* absent and null are 0 */
/* The member when it has this type; -1 when it is absent or null. */
int in_member(struct node_in *in, int obj, const char *key, enum json_type type, const char *what);

#endif
