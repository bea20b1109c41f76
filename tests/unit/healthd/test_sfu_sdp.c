/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/sfu_sdp.h"

#include "base/json.h"
#include "t.h"

#define UFRAG "a=ice-ufrag:Sm/D\r\n"
#define PWD "a=ice-pwd:21qa5wjFbcmO3KSx6tvGYp7B\r\n"
#define CANDIDATE "a=candidate:1 1 udp 2130706431 192.0.2.5 7878 typ host\r\n"

static void an_offer_is_one_message_with_our_credentials(void)
{
	uint8_t out[2048], fingerprint[SFU_SDP_FINGERPRINT] = { 0xab, [31] = 0x01 };
	struct wr w = wr_from(out, sizeof(out)), small = wr_from(out, 100);
	char kind[16], sdp[1024];
	struct json_tok tok[16];
	struct sfu_sdp_answer a;
	struct json j;
	size_t n;

	sfu_sdp_offer(&w, "ours", "ourpasswordourpassword", fingerprint, 77);
	OK(!w.bad);
	EQ(json_parse(wr_span_of(&w), tok, ARRAY_LEN(tok), &j), 0);
	EQ(json_get_str(&j, 0, "kind", kind, sizeof(kind), NULL), 0);
	EQ_STR(kind, "offer");
	EQ(json_get_str(&j, 0, "sdp", sdp, sizeof(sdp), &n), 0);
	OK(strstr(sdp, "\r\na=fingerprint:sha-256 ab:00:") && strstr(sdp, ":01\r\n"));
	OK(strstr(sdp, "o=- 77 2 IN IP4 127.0.0.1\r\n") && strstr(sdp, "\r\na=rtcp-mux\r\n"));
	EQ(sfu_sdp_read(span_of(sdp, n), &a), 0);
	EQ_SPAN(a.ufrag, SPAN_LIT("ours"));
	EQ_SPAN(a.pwd, SPAN_LIT("ourpasswordourpassword"));
	OK(addr_is_unset(&a.candidate));
	sfu_sdp_offer(&small, "ours", "ourpasswordourpassword", fingerprint, 77);
	OK(small.bad);
}

static void an_answer_says_whom_to_ask_and_how(void)
{
	static const struct {
		const char *row, *sdp, *candidate;
	} rows[] = {
		{ "one: ", "v=0\r\n" UFRAG PWD CANDIDATE, "192.0.2.5:7878" },
		{ "the first of two: ", UFRAG PWD CANDIDATE "a=candidate:2 1 udp 1 192.0.2.6 7878 typ host\r\n", "192.0.2.5:7878" },
		{ "IPv6: ", UFRAG PWD "a=candidate:1 1 UDP 1 2001:db8::5 7878 typ host\r\n", "[2001:db8::5]:7878" },
		{ "LF only: ", "a=ice-ufrag:Sm/D\na=ice-pwd:21qa5wjFbcmO3KSx6tvGYp7B\n"
			       "a=candidate:1 1 udp 1 192.0.2.5 7878 typ host\n",
		  "192.0.2.5:7878" },
		{ "none: ", UFRAG PWD, NULL },
		{ "TCP: ", UFRAG PWD "a=candidate:1 1 tcp 1 192.0.2.5 7878 typ host\r\n", NULL },
		{ "reflexive: ", UFRAG PWD "a=candidate:1 1 udp 1 192.0.2.5 7878 typ srflx\r\n", NULL },
		{ "a name: ", UFRAG PWD "a=candidate:1 1 udp 1 x.local 7878 typ host\r\n", NULL },
		{ "an address with a port: ", UFRAG PWD "a=candidate:1 1 udp 1 192.0.2.5:1 7878 typ host\r\n", NULL },
		{ "port 0: ", UFRAG PWD "a=candidate:1 1 udp 1 192.0.2.5 0 typ host\r\n", NULL },
		{ "port 65536: ", UFRAG PWD "a=candidate:1 1 udp 1 192.0.2.5 65536 typ host\r\n", NULL },
		{ "cut off: ", UFRAG PWD "a=candidate:1 1 udp", NULL },
		{ "the second is usable: ", UFRAG PWD "a=candidate:\r\n" CANDIDATE, "192.0.2.5:7878" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sfu_sdp_answer a;
		char text[ADDR_TEXT_MAX];

		t_row = rows[i].row;
		EQ(sfu_sdp_read(span_str(rows[i].sdp), &a), 0);
		EQ_SPAN(a.ufrag, SPAN_LIT("Sm/D"));
		EQ_SPAN(a.pwd, SPAN_LIT("21qa5wjFbcmO3KSx6tvGYp7B"));
		EQ(addr_is_unset(&a.candidate), rows[i].candidate == NULL);
		if (rows[i].candidate)
			EQ_STR(addr_fmt(&a.candidate, text), rows[i].candidate);
	}
}

static void without_good_credentials_it_is_no_answer(void)
{
	char longest[SFU_SDP_ICE_MAX + 64] = "a=ice-ufrag:";
	static const char *const rows[] = {
		"", "\r\n", "v=0\r\n", UFRAG, PWD, "a=ice-ufrag:abc\r\n" PWD, UFRAG "a=ice-pwd:tooshort\r\n",
		"a=ice-ufrag:ab cd\r\n" PWD, "a=ice-ufrag:ab:cd\r\n" PWD, UFRAG "a=ice-pwd:21qa5wjFbcmO3KSx6t\"GYp7B\r\n",
	};
	struct sfu_sdp_answer a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i];
		EQ(sfu_sdp_read(span_str(rows[i]), &a), ERR_MALFORMED);
	}
	t_row = "a ufrag beyond RFC 8839 5.4: ";
	memset(longest + 12, 'u', SFU_SDP_ICE_MAX + 1);
	strcpy(longest + 12 + SFU_SDP_ICE_MAX + 1, "\r\n" PWD);
	EQ(sfu_sdp_read(span_str(longest), &a), ERR_MALFORMED);
}

T_MAIN(T(an_offer_is_one_message_with_our_credentials), T(an_answer_says_whom_to_ask_and_how),
       T(without_good_credentials_it_is_no_answer))
