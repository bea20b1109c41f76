/* SPDX-License-Identifier: AGPL-3.0-only */
/* A descriptor by which one thread makes another one's loop turn: readable from the first ring until it is cleared. */
#ifndef SYS_WAKEUP_H
#define SYS_WAKEUP_H

/* Non-blocking, close-on-exec. The descriptor, or -errno. Closed by close(2). */
int wakeup_open(void);
void wakeup_ring(int fd);  /* any thread */
void wakeup_clear(int fd);

#endif
