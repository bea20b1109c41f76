/* SPDX-License-Identifier: AGPL-3.0-only */
/* The service manager's side: readiness, status, watchdog, inherited descriptors (sd_notify(3), sd_listen_fds(3)).
 * Every call is a no-op when not run by systemd. Exit codes are BSD's sysexits(3), as in docs/control.md. */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <sysexits.h>

#include "sys/loop.h"

void notify_ready(void);
/* Stamps CLOCK_MONOTONIC itself: a turn's `now` may be older than the signal, and the manager would ignore it. */
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Pings the watchdog at half its interval from the loop, so a stuck loop is seen. ERR_NOMEM. */
int notify_watchdog(struct loop *l);
/* From now on pings only when `alive` says so: for a process of several loops. Once, before the loop runs. */
void notify_watchdog_if(bool (*alive)(void *arg), void *arg);

/* The inherited descriptor with this FileDescriptorName=, or -1. Each is handed out once; it does not block
 * and is closed on exec. */
int notify_inherited(const char *name);

/* Maps an error to EX_CONFIG, EX_UNAVAILABLE, EX_OSERR, … ; 0 stays 0. */
int notify_exit_code(int err);

#endif
