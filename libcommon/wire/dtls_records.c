/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 *   0        1        3        5                 11       13
 *  | type   | version | epoch  | sequence number | length | fragment ...
 */
#include "wire/dtls_records.h"

#define RECORD_HDR_LEN 13
#define SEALED_MIN (8 + 16) /* RFC 5288 3: explicit nonce and tag; only GCM suites are offered */
#define FRAGMENT_MAX (16384 + 2048) /* RFC 5246 6.2.3 */

enum { TYPE_CHANGE_CIPHER_SPEC = 20, TYPE_APPLICATION_DATA = 23 };
enum { DTLS1_0 = 0xfeff, DTLS1_2 = 0xfefd };

static bool record(struct rd *r)
{
	uint8_t type = rd_u8(r);
	uint16_t version = rd_be16(r), epoch = rd_be16(r), len;

	rd_skip(r, 6);
	len = rd_be16(r);
	rd_skip(r, len);
	if (type == TYPE_APPLICATION_DATA && epoch == 0)
		return false; /* OpenSSL would end the handshake over it */
	if (epoch == 1 && len < SEALED_MIN)
		return false; /* OpenSSL 3.5 would end the association, on the word of anybody */
	return !r->bad && type >= TYPE_CHANGE_CIPHER_SPEC && type <= TYPE_APPLICATION_DATA &&
	       (version == DTLS1_2 || version == DTLS1_0) && epoch <= 1 && len > 0 && len <= FRAGMENT_MAX;
}

size_t dtls_records(struct span dgram)
{
	struct rd r = rd_from(dgram);
	size_t n = 0;

	while (rd_left(&r) >= RECORD_HDR_LEN && record(&r))
		n = (size_t)(r.p - dgram.p);
	return n;
}
