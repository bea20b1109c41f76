/* SPDX-License-Identifier: AGPL-3.0-only */
/* How a probe ended, as its pure part sees it. Sentences for operators are shell_probe_*.c's. */
#ifndef HEALTHD_PROBE_END_H
#define HEALTHD_PROBE_END_H

#include <stdint.h>

enum probe_why {
	PROBE_GOING,
	PROBE_OK,
	PROBE_TIMEOUT,    /* nothing came back in time */
	PROBE_GARBAGE,    /* something came back, and it was not an answer to us */
	PROBE_AUTH,       /* our credential is not taken */
	PROBE_CODE,       /* refused with a code: STUN error, HTTP status */
	PROBE_CLOSED,     /* the other side ended it; code: of a WebSocket's close frame, or 0 */
	PROBE_NO_ADDRESS, /* there is no address to ask */
};

struct probe_end {
	enum probe_why why;
	uint16_t code;
	uint8_t step; /* where it stood: the probe's own enum */
};

#endif
