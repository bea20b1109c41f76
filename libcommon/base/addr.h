/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An IP address with a port, as a plain value. IPv4 lives in the v4-mapped form
 * (::ffff:a.b.c.d), so compare and hash need no family. No padding: addr_eq is memcmp.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>

#include "base/span.h"

struct addr {
	uint8_t ip[16];
	uint16_t port;   /* host order */
	uint16_t unused; /* 0 */
	uint32_t scope;  /* interface index of a link-local IPv6 address, else 0 */
};

/* A 5-tuple on one UDP port: where the datagram came from, and which of our addresses it reached. */
struct path {
	struct addr remote;
	struct addr local; /* port 0: the socket knows it */
};

enum addr_class {
	ADDR_GLOBAL,
	ADDR_UNSPECIFIED, /* 0.0.0.0/8, :: */
	ADDR_LOOPBACK,
	ADDR_PRIVATE,     /* RFC 1918, fc00::/7 */
	ADDR_CGNAT,       /* 100.64.0.0/10 */
	ADDR_LINK_LOCAL,
	ADDR_MULTICAST,
	ADDR_RESERVED,    /* documentation, benchmarking, 240/4, broadcast, discard, … */
	ADDR_CLASS_MAX_
};

#define ADDR_TEXT_MAX 64 /* "[v6%scope]:65535" and NUL */

struct addr addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
struct addr addr_from_v4(const uint8_t ip[4], uint16_t port);
struct addr addr_from_v6(const uint8_t ip[16], uint16_t port);

bool addr_is_v4(const struct addr *a);
bool addr_is_unset(const struct addr *a); /* all zero */
bool addr_is_any(const struct addr *a);   /* 0.0.0.0 or ::, any port: every address of a host */
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_same_ip(const struct addr *a, const struct addr *b);
bool path_eq(const struct path *a, const struct path *b);

/* len counts in the family of net: 0 to 32 for IPv4, 0 to 128 otherwise. No prefix holds an address of the other family,
 * not even ::/0. Ports and scopes have no say. */
bool addr_in_prefix(const struct addr *a, const struct addr *net, unsigned len);

/* The IPv4 addresses that the bytes of an IPv6 address carry: translated, compatible, 6to4, NAT64, Teredo (client, then
 * server), ISATAP. A tunnel or translator on the way delivers there. Port kept, scope 0. Returns how many. A mapped
 * address is an IPv4 address and carries none. */
#define ADDR_EMBEDDED_MAX 3
uint32_t addr_embedded(const struct addr *a, struct addr ret[ADDR_EMBEDDED_MAX]);
/* The first of them, or *a. */
struct addr addr_unwrap(const struct addr *a);

/* What carries IPv4 addresses is global only if all of them are. */
enum addr_class addr_classify(const struct addr *a);
bool addr_is_global(const struct addr *a);
const char *addr_class_str(enum addr_class c);

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80". Port 0 when absent. ERR_MALFORMED. */
int addr_parse(struct span text, struct addr *ret);

/* RFC 5952 text; the port is added when it is not 0. NUL-terminated, returns buf. */
const char *addr_fmt(const struct addr *a, char buf[ADDR_TEXT_MAX]);
/* The same without the port. */
const char *addr_fmt_ip(const struct addr *a, char buf[ADDR_TEXT_MAX]);

#endif
