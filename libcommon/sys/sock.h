/* SPDX-License-Identifier: AGPL-3.0-only */
/* Kernel socket addresses <-> struct addr, and the one way to make a listening TCP socket. For sys/ only. */
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

#endif
