/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/client.h"

#include "t.h"

/* Every transport has a metric label; a number beyond the list is named as such, not read from behind the table. */
static void every_transport_has_a_label(void)
{
	static const struct {
		enum via via;
		const char *want;
	} rows[] = {
		{ VIA_UDP, "udp" }, { VIA_TCP, "tcp" }, { VIA_TLS, "tls" }, { VIA_DTLS, "dtls" },
		{ VIA_MAX_, "unknown" }, { (enum via)-1, "unknown" },
	};

	EQ(VIA_MAX_, 4);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].want;
		EQ_STR(via_str(rows[i].via), rows[i].want);
	}
}

T_MAIN(T(every_transport_has_a_label))
