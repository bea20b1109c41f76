/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Error numbers of the whole suite. 0 or a count is success; -1..-4095 is
 * -errno; our own start below that. The list stays short: a caller acts on an
 * error, detail belongs to drop reasons and diagnostics.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err {
	ERR_SHORT = -5000, /* ran out of bytes; more could help */
	ERR_MALFORMED,     /* no amount of bytes will help */
	ERR_AUTH,          /* failed a check we must not explain to the peer */
	ERR_UNEXPECTED,    /* right message, wrong moment */
	ERR_LIMIT,         /* a configured bound was reached */
	ERR_NOMEM,         /* an allocation failed; nothing was changed */
	ERR_MISSING,       /* a required field or object does not exist */
};

/* A static phrase: lower-case for any value above, the C library's for -errno. Never NULL. */
const char *err_str(int err);

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
