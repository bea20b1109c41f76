/* SPDX-License-Identifier: AGPL-3.0-only */
/* Whom a probe may dial on somebody else's word: a name of the roster must not lead into this host or its network. Pure. */
#ifndef HEALTHD_VET_H
#define HEALTHD_VET_H

#include "base/addr.h"

enum vet { VET_OK, VET_NONE, VET_INTERNAL };

/* The first address that is global, every IPv4 address that its bytes carry included (base/addr.h). VET_NONE: there is no address;
 * VET_INTERNAL: none of them is global, *ret is the first. allow_internal: the first, whatever it is. */
enum vet vet_pick(const struct addr *a, uint32_t n, bool allow_internal, struct addr *ret);

#endif
