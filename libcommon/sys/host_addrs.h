/* SPDX-License-Identifier: AGPL-3.0-only */
/* The addresses of this host, as the kernel tells them. */
#ifndef SYS_HOST_ADDRS_H
#define SYS_HOST_ADDRS_H

#include "base/addr.h"

/* Addresses of all interfaces, ports 0, none twice. How many were written, or -errno, ERR_NOMEM. *ret_more: there are more
 * than max. */
int host_addrs(struct addr *ret, uint32_t max, bool *ret_more);

/* The address that this host has towards the Internet, by its routes; nothing is sent. False: no route of that family. */
bool host_primary(bool v4, struct addr *ret);

bool host_has_v6(void); /* the kernel knows IPv6 */

#endif
