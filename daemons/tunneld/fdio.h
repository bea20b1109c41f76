/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Descriptors of streams: edge-triggered readiness on the loop's libevent, so that a stream at work costs no call that changes
 * what is watched; and the few socket calls that streams need.
 */
#ifndef TUNNELD_FDIO_H
#define TUNNELD_FDIO_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct sockaddr_storage;
struct fdio;

enum { FDIO_READ = 1, FDIO_WRITE = 2, FDIO_END = 4 }; /* END: the other end says no more, or it is broken */

/* Tells when the descriptor becomes readable or writable: once each time, after the call that found it was not. Without `write`
 * nothing is told of writing until fdio_want_write (a Unix socket would tell each time the other end reads). NULL: no
 * memory, or the descriptor cannot be watched. */
struct fdio *fdio_new(struct event_base *base, int fd, bool write, void (*fn)(void *arg, unsigned events), void *arg);
/* NULL allowed, also inside fn. The descriptor stays open. */
void fdio_free(struct fdio *f);
/* Tells of writing, too, from now on: at once if there is room already. */
int fdio_want_write(struct fdio *f);

/* A TCP connection begun, non-blocking and without delay; a peer that is gone is noticed within a minute and a half. -errno. */
int fdio_connect(const struct sockaddr_storage *to, uint32_t n);
/* The other end of a Unix socket has closed it, not just its half. */
bool fdio_gone(int fd);
/* Closes so that the other end sees a reset (TCP). */
void fdio_abort(int fd);

#endif
