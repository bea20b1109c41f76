/* SPDX-License-Identifier: AGPL-3.0-only */
/* How the kernel chooses among the UDP sockets of one address (SO_REUSEPORT). */
#ifndef SYS_REUSEPORT_H
#define SYS_REUSEPORT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The first n sockets that joined the group share all senders by a hash of their address, and of their port when by_port
 * (else one host's senders are all one socket's), whatever joins later: a connected socket takes its peer's datagrams and
 * nothing else. Without this, each joining and leaving socket would send known peers to other sockets. fd: any bound socket
 * of the group. -errno.
 */
int reuseport_spread(int fd, uint32_t n, bool by_port);

#endif
