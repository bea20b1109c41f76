/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/dtls_records.h"

#include "t.h"

/* RFC 6347 4.1: a record counts when type, version, epoch and length can be meant; counting stops at the first
 * that cannot. */
static void only_whole_sane_records_count(void)
{
#define R(s) { (const uint8_t *)(s), sizeof(s) - 1 }
#define SEQ "\0\0\0\0\0\1"
#define SEALED "abcdefghijklmnopqrstuvwx"
	const struct { const char *row; struct span b; size_t want; } rows[] = {
		{ "empty: ", R(""), 0 },
		{ "header only: ", R("\x16\xfe\xfd\0\0" SEQ "\0\1"), 0 },
		{ "handshake: ", R("\x16\xfe\xfd\0\0" SEQ "\0\1x"), 14 },
		{ "hello of version 1.0: ", R("\x16\xfe\xff\0\0" SEQ "\0\1x"), 14 },
		{ "version 1.3: ", R("\x16\xfe\xfc\0\0" SEQ "\0\1x"), 0 },
		{ "tls: ", R("\x16\3\3\0\0" SEQ "\0\1x"), 0 },
		{ "type 19: ", R("\x13\xfe\xfd\0\0" SEQ "\0\1x"), 0 },
		{ "type 24: ", R("\x18\xfe\xfd\0\0" SEQ "\0\1x"), 0 },
		{ "data: ", R("\x17\xfe\xfd\0\1" SEQ "\0\x18" SEALED), 37 },
		{ "shorter than nonce and tag: ", R("\x17\xfe\xfd\0\1" SEQ "\0\x17" SEALED), 0 },
		{ "data in clear: ", R("\x17\xfe\xfd\0\0" SEQ "\0\1x"), 0 },
		{ "epoch 2: ", R("\x16\xfe\xfd\0\2" SEQ "\0\1x"), 0 },
		{ "no payload: ", R("\x16\xfe\xfd\0\0" SEQ "\0\0x"), 0 },
		{ "cut: ", R("\x16\xfe\xfd\0\0" SEQ "\0\2x"), 0 },
		{ "two: ", R("\x14\xfe\xfd\0\0" SEQ "\0\1x\x16\xfe\xfd\0\1" SEQ "\0\x18" SEALED), 51 },
		{ "second bad: ", R("\x14\xfe\xfd\0\0" SEQ "\0\1x\x16\xfe\xfd\0\3" SEQ "\0\2xy"), 14 },
		{ "tail: ", R("\x14\xfe\xfd\0\0" SEQ "\0\1xjunk"), 14 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(dtls_records(rows[i].b), rows[i].want);
	}
}

T_MAIN(T(only_whole_sane_records_count))
