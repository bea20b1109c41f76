/* SPDX-License-Identifier: AGPL-3.0-only */
/* Datagrams of a worker: the sockets that clients send to, and relay sockets. */
#ifndef TURND_SHELL_UDP_H
#define TURND_SHELL_UDP_H

#include "turnd/turnd.h"

/* shell_udp.c: listeners and relay sockets */
int udp_listen(struct worker *w);
void udp_unlisten(struct worker *w); /* relay sockets included */
void udp_readable(struct worker *w, struct listener *l); /* what clients sent to a listening socket */
int relay_sock_open(void *owner, struct handle alloc, int family, uint16_t port, bool tcp);
void relay_sock_close(void *owner, int family, uint16_t port, bool tcp);
bool relay_sock_is_open(void *owner, int family, uint16_t port);
struct udp *udp_by_local(struct worker *w, const struct addr *local); /* the socket of path.local; NULL: none */

/* shell_steer.c: a datagram of a client whose allocation another worker has */
int steer_open(struct worker *w);
void steer_close(struct worker *w);
void steer_hand_over(struct worker *w, const struct client *c, struct span msg, uint8_t to);
void steer_tick(struct worker *w, mono_t now);
mono_t steer_next(const struct worker *w);

#endif
