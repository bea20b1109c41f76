/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/central/keygen.h"

#include "t.h"

/* RFC 7748 6.1, in the two alphabets */
static void public_of_known_keys(void)
{
	static const struct {
		const char *row;
		enum keygen_form form;
		const char *private_text, *want;
	} rows[] = {
		{ "Alice, base64: ", KEYGEN_AWG,
		 "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=" },
		{ "Alice, base64url: ", KEYGEN_REALITY, "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo",
		 "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" },
	};
	char out[KEYGEN_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(keygen_public(rows[i].form, span_str(rows[i].private_text), out), 0);
		EQ_STR(out, rows[i].want);
	}
}

static void what_is_no_key_is_refused(void)
{
	static const char *const rows[] = {
		"", "x", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCoAA", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC!",
	};
	char out[KEYGEN_TEXT] = "untouched";

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i];
		EQ(keygen_public(KEYGEN_REALITY, span_str(rows[i]), out), ERR_MALFORMED);
		EQ_STR(out, "untouched");
	}
}

static void pairs_fit_together(void)
{
	static const struct {
		enum keygen_form form;
		size_t n;
	} rows[] = { { KEYGEN_REALITY, 43 }, { KEYGEN_AWG, 44 } };
	struct rng rng;

	rng_seed(&rng, 7);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char private_text[KEYGEN_TEXT], public_text[KEYGEN_TEXT], again[KEYGEN_TEXT], other[KEYGEN_TEXT];

		EQ(keygen_pair(&rng, rows[i].form, private_text, public_text), 0);
		EQ(strlen(private_text), rows[i].n);
		EQ(strlen(public_text), rows[i].n);
		EQ(keygen_public(rows[i].form, span_str(private_text), again), 0);
		EQ_STR(again, public_text);
		EQ(keygen_pair(&rng, rows[i].form, other, again), 0);
		OK(strcmp(other, private_text) != 0);
	}
}

static void uuids(void)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ "0f4a9c4e-6b0e-4c3f-9d53-2a0c5d1f7e11", true }, { "", false },
		{ "0F4A9C4E-6B0E-4C3F-9D53-2A0C5D1F7E11", false }, { "0f4a9c4e06b0e-4c3f-9d53-2a0c5d1f7e11", false },
		{ "0f4a9c4e-6b0e-4c3f-9d53-2a0c5d1f7e1", false }, { "0f4a9c4e-6b0e-4c3f-9d53-2a0c5d1f7e111", false },
	};
	char text[37];
	struct rng rng;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].text;
		EQ(keygen_is_uuid(span_str(rows[i].text)), rows[i].want);
	}
	rng_seed(&rng, 3);
	for (int i = 0; i < 100; i++) {
		keygen_uuid(&rng, text);
		t_row = text;
		OK(keygen_is_uuid(span_str(text)));
		EQ(text[14], '4');
		OK(strchr("89ab", text[19]) != NULL);
	}
}

T_MAIN(T(public_of_known_keys), T(what_is_no_key_is_refused), T(pairs_fit_together), T(uuids))
