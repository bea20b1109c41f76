/* SPDX-License-Identifier: AGPL-3.0-only */
/* Kernel socket addresses <-> struct addr, and the few calls on stream sockets that loops need. */
#ifndef SYS_SOCK_H
#define SYS_SOCK_H

#include <sys/socket.h>

#include "base/addr.h"

/* Bytes used of *ret: AF_INET for an IPv4 address, AF_INET6 otherwise. */
socklen_t sock_from_addr(const struct addr *a, struct sockaddr_storage *ret);
/* All zero for another family. */
struct addr sock_to_addr(const struct sockaddr_storage *ss);
/* The local address of a socket; all zero when it is no IP socket. */
struct addr sock_local(int fd);

/* A non-blocking listening socket; an unspecified IPv6 address takes IPv4, too. The descriptor, or -errno. */
int sock_listen_tcp(const struct addr *at);
/* The same, shared by several sockets of this user (SO_REUSEPORT): the kernel spreads connections over them. */
int sock_listen_shared(const struct addr *at);
/* A Unix socket: a stale file is replaced, a live one is -EADDRINUSE. */
int sock_listen_unix(const char *path, mode_t mode);

/* A connection that waits, non-blocking, TCP without delay; *ret_peer as sock_to_addr. -errno. */
int sock_accept(int fd, struct addr *ret_peer);
/* Begins to connect, TCP without delay; writable when there is an outcome. from: an address that listening sockets may share; NULL:
 * the kernel's choice. -errno. */
int sock_connect_tcp(const struct addr *from, const struct addr *to);
/* Connected at once, or not at all. -errno. */
int sock_connect_unix(const char *path);
/* The outcome of connecting: 0 or -errno. */
int sock_outcome(int fd);
/* Takes nothing: 1 when bytes wait, 0 at the end of the stream, -errno. */
int sock_peek(int fd);
/* No more to come from us. */
void sock_end(int fd);
/* A TCP peer that is gone is noticed: in 75 s, or in 30 while something is on its way to it, or it takes nothing for so long. */
void sock_notice_gone(int fd);
/* The other end has closed it, not just its half; of TCP: has broken it off, or both have ended. */
bool sock_closed(int fd);
/* Closes so that the other end of a TCP connection sees a reset. */
void sock_abort(int fd);

#endif
