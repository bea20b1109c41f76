/* SPDX-License-Identifier: AGPL-3.0-only */
/* The phrases behind enum err; the C library owns those of errno. */
#include "base/err.h"

#include <string.h>

static const char *const own[] = {
	[ERR_SHORT - ERR_SHORT] = "input ends too early",
	[ERR_MALFORMED - ERR_SHORT] = "malformed",
	[ERR_AUTH - ERR_SHORT] = "not authentic",
	[ERR_UNEXPECTED - ERR_SHORT] = "wrong state",
	[ERR_LIMIT - ERR_SHORT] = "limit reached",
	[ERR_NOMEM - ERR_SHORT] = "out of memory",
	[ERR_MISSING - ERR_SHORT] = "missing",
};

const char *err_str(int err)
{
	const char *text = NULL;

	if (err >= 0)
		return "success";
	if (err >= ERR_SHORT && err < ERR_SHORT + (int)ARRAY_LEN(own))
		return own[err - ERR_SHORT];
	if (err >= -4095) {
#ifdef __GLIBC__
		/* strerror() formats unknown numbers into a shared buffer; this never does. */
		text = strerrordesc_np(-err);
#else
		text = strerror(-err);
#endif
	}
	return text ? text : "unknown error";
}
