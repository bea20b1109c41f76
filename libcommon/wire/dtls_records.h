/* SPDX-License-Identifier: AGPL-3.0-only */
/* What of a datagram may be shown to a DTLS 1.2 library (RFC 6347 4.1): one that meets garbage may end the association, on
 * the word of anybody who guesses two addresses. */
#ifndef WIRE_DTLS_RECORDS_H
#define WIRE_DTLS_RECORDS_H

#include "base/span.h"

/* How many bytes at the start of a datagram are whole records that an association with AES-GCM suites could mean. The rest
 * is garbage: an unknown type or version, a third epoch, data in the first one, a length that is 0, too short for a sealed
 * record, beyond the limit or beyond the datagram. */
size_t dtls_records(struct span dgram);

#endif
