/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/sfu_key.h"
#include "t.h"

#define DER "MCowBQYDK2VwAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define DER_IN_LINES "MCowBQYDK2VwAyEAAAECAwQFBgcICQoL\nDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define RAW "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PEM "-----BEGIN PUBLIC KEY-----\n" DER "\n-----END PUBLIC KEY-----\n"

static void every_form_becomes_one(void)
{
	static const char *const rows[] = {
		PEM,
		DER,
		RAW,
		"  " RAW "\r\n",
		"'" RAW "'",
		"\"" DER "\"",
		"-----BEGIN PUBLIC KEY-----\r\n" DER "\r\n-----END PUBLIC KEY-----\r\n",
		"-----BEGIN PUBLIC KEY-----\\n" DER "\\n-----END PUBLIC KEY-----\\n",
		"'-----BEGIN PUBLIC KEY-----\\r\\n" DER "\\r\\n-----END PUBLIC KEY-----\\n'\n",
		"-----BEGIN PUBLIC KEY-----\n" DER_IN_LINES "\n-----END PUBLIC KEY-----",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char pem[SFU_PEM_MAX] = "";

		t_row = rows[i];
		EQ(sfu_key_canonical(span_str(rows[i]), pem), 0);
		EQ_STR(pem, PEM);
	}
}

static void nothing_else_is_a_key(void)
{
	static const char *const rows[] = {
		"", "''", "null", "AAECAwQF", RAW RAW, "-----BEGIN PUBLIC KEY-----\n" RAW "\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\n" DER "\n", "-----BEGIN PRIVATE KEY-----\n" DER "\n-----END PRIVATE KEY-----\n",
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"MCowBQYDK2VuAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", /* X25519 */
		RAW " x", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char pem[SFU_PEM_MAX];

		t_row = rows[i];
		EQ(sfu_key_canonical(span_str(rows[i]), pem), ERR_MALFORMED);
	}
}

T_MAIN(T(every_form_becomes_one), T(nothing_else_is_a_key))
