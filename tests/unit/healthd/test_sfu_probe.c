/* SPDX-License-Identifier: AGPL-3.0-only */
#include <stdlib.h>

#include "sfu_script.h"
#include "t.h"

static struct sfu_script s;

static struct addr candidate(void)
{
	return addr_v4(192, 0, 2, 5, 7878);
}

static void until_check(void)
{
	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	sfu_text(&s, SFU_ANSWER);
	EQ(s.p.step, SFU_PROBE_CHECK);
}

static void run_out(void)
{
	for (int i = 0; i < 100 && s.p.step != SFU_PROBE_DONE; i++) {
		s.now = sfu_probe_next(&s.p);
		(void)sfu_probe_tick(&s.p, s.now);
		sfu_collect(&s);
	}
	EQ(s.p.step, SFU_PROBE_DONE);
}

static void the_whole_dialogue(void)
{
	struct addr at = candidate();
	char text[2048];
	struct stun_msg m;

	sfu_start(&s, (struct addr){ 0 });
	EQ(s.p.step, SFU_PROBE_UPGRADE);
	sfu_accept(&s);
	EQ(s.p.step, SFU_PROBE_ANSWER);
	EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_TEXT);
	OK(strncmp(text, "{\"kind\":\"offer\",\"sdp\":\"v=0", 25) == 0);
	sfu_text(&s, SFU_ANSWER);
	sfu_text(&s, "{\"type\":\"tracks_map\",\"tracks\":[]}");
	EQ(s.p.step, SFU_PROBE_CHECK);
	OK(addr_eq(&s.p.check_at, &at));
	EQ(stun_parse(span_of(s.p.tx.msg, s.p.tx.n), &m), 0);
	snprintf(text, sizeof(text), SFU_UFRAG ":%s", s.p.ufrag);
	EQ_SPAN(m.username, span_str(text));
	OK(sfu_answer_check(&s, &at, STUN_SUCCESS, SPAN_LIT(SFU_PWD), true));
	EQ(s.p.end.why, PROBE_OK);
	EQ(s.p.step, SFU_PROBE_CLOSE);
	EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_CLOSE);
	sfu_frame(&s, WS_OP_CLOSE, "\x03\xe8", 2);
	EQ(s.p.step, SFU_PROBE_DONE);
	EQ(s.p.end.why, PROBE_OK);
	OK(mono_is_never(sfu_probe_next(&s.p)));
}

/* The token is good for the room of the path, and for no longer than needed. */
static void the_token_is_for_its_room(void)
{
	const struct jwt_keys keys = { .hs256 = SFU_SECRET };
	struct room_claims claims;
	const char *token, *path;

	sfu_start(&s, (struct addr){ 0 });
	s.heard[s.heard_n] = '\0';
	token = strstr((char *)s.heard, "bearer.") + 7;
	path = strstr((char *)s.heard, "/sfu/ws/") + 8;
	EQ(jwt_room(span_of(token, strcspn(token, "\r")), &keys, SFU_WALL, &claims), JWT_OK);
	OK(strncmp(claims.room, "healthprobe-", 12) == 0 && strlen(claims.room) == 28);
	EQ_SPAN(span_str(claims.room), span_of(path, strcspn(path, " ")));
	EQ(claims.exp - claims.iat, 60);
}

static void an_upgrade_refused_says_how(void)
{
	static const struct {
		const char *row, *head;
		enum probe_why why;
		uint16_t code;
	} rows[] = {
		{ "401: ", "HTTP/1.1 401 Unauthorized\r\n\r\n", PROBE_AUTH, 401 },
		{ "503: ", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", PROBE_CODE, 503 },
		{ "200: ", "HTTP/1.1 200 OK\r\n\r\nhello", PROBE_CODE, 200 },
		{ "101 without proof: ", "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", PROBE_GARBAGE, 0 },
		{ "SSH: ", "SSH-2.0-OpenSSH_9.2p1 Debian\r\n", PROBE_GARBAGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		sfu_start(&s, (struct addr){ 0 });
		sfu_say(&s, span_str(rows[i].head));
		EQ(s.p.step, SFU_PROBE_DONE);
		EQ(s.p.end.why, rows[i].why);
		EQ(s.p.end.code, rows[i].code);
	}
}

static void an_answer_that_is_none_is_garbage(void)
{
	static const struct {
		const char *row, *text;
		enum probe_why why;
	} rows[] = {
		{ "no sdp: ", "{\"kind\":\"answer\"}", PROBE_GARBAGE },
		{ "no text: ", "{\"kind\":\"answer\",\"sdp\":7}", PROBE_GARBAGE },
		{ "no credentials: ", "{\"kind\":\"answer\",\"sdp\":\"v=0\\r\\n\"}", PROBE_GARBAGE },
		{ "no candidate: ", "{\"kind\":\"answer\",\"sdp\":\"" SFU_SDP "\"}", PROBE_NO_ADDRESS },
		{ "something else: ", "{\"type\":\"tracks_map\",\"tracks\":[]}", PROBE_TIMEOUT },
		{ "no JSON: ", "hello", PROBE_GARBAGE },
	};
	char text[2048];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		sfu_start(&s, (struct addr){ 0 });
		sfu_accept(&s);
		sfu_text(&s, rows[i].text);
		run_out();
		EQ(s.p.end.why, rows[i].why);
		EQ(s.p.end.step, SFU_PROBE_ANSWER);
		EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_CLOSE);
	}
}

static void a_media_address_of_ours_goes_first(void)
{
	struct addr media = addr_v4(127, 0, 0, 1, 7878);

	sfu_start(&s, media);
	sfu_accept(&s);
	sfu_text(&s, "{\"kind\":\"answer\",\"sdp\":\"" SFU_SDP "\"}");
	EQ(s.p.step, SFU_PROBE_CHECK);
	OK(addr_eq(&s.p.check_at, &media));
}

/* Without the answer's password anybody could have answered. */
static void a_response_must_be_vouched_for(void)
{
	static const struct {
		const char *row;
		enum stun_class cls;
		struct span key;
		bool elsewhere, no_mapped;
		enum probe_why why;
		uint16_t code;
	} rows[] = {
		{ "no integrity: ", STUN_SUCCESS, { NULL, 0 }, false, false, PROBE_GARBAGE, 0 },
		{ "wrong integrity: ", STUN_SUCCESS, SPAN_LIT("another password of nobody"), false, false, PROBE_GARBAGE, 0 },
		{ "from elsewhere: ", STUN_SUCCESS, SPAN_LIT(SFU_PWD), true, false, PROBE_GARBAGE, 0 },
		{ "no address: ", STUN_SUCCESS, SPAN_LIT(SFU_PWD), false, true, PROBE_GARBAGE, 0 },
		{ "an unsigned error: ", STUN_ERROR, { NULL, 0 }, false, false, PROBE_GARBAGE, 0 },
		{ "a signed error: ", STUN_ERROR, SPAN_LIT(SFU_PWD), false, false, PROBE_CODE, 487 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr from = candidate();

		t_row = rows[i].row;
		from.port = (uint16_t)(from.port + rows[i].elsewhere);
		until_check();
		OK(sfu_answer_check(&s, &from, rows[i].cls, rows[i].key, !rows[i].no_mapped));
		run_out();
		EQ(s.p.end.why, rows[i].why);
		EQ(s.p.end.code, rows[i].code);
		EQ(s.p.end.step, SFU_PROBE_CHECK);
	}
}

static void noise_from_the_media_address_is_no_answer(void)
{
	struct addr at = candidate();
	static uint8_t large[9000];

	until_check();
	(void)sfu_probe_tick(&s.p, s.now);
	sfu_probe_dgram(&s.p, &at, SPAN_LIT(""), s.now);
	sfu_probe_dgram(&s.p, &at, span_of(s.p.tx.msg, s.p.tx.n), s.now);
	sfu_probe_dgram(&s.p, &at, span_of(s.p.tx.msg, 19), s.now);
	sfu_probe_dgram(&s.p, &at, span_of(large, sizeof(large)), s.now);
	EQ(s.p.step, SFU_PROBE_CHECK);
	run_out();
	EQ(s.p.end.why, PROBE_GARBAGE);
}

static void silence_is_a_timeout_wherever_it_begins(void)
{
	uint32_t checks = 0;

	sfu_start(&s, (struct addr){ 0 });
	run_out();
	EQ(s.p.end.why, PROBE_TIMEOUT);
	EQ(s.p.end.step, SFU_PROBE_UPGRADE);
	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	run_out();
	EQ(s.p.end.step, SFU_PROBE_ANSWER);
	until_check();
	while (s.p.step == SFU_PROBE_CHECK) {
		checks += sfu_probe_tick(&s.p, s.now).n > 0;
		s.now = sfu_probe_next(&s.p);
	}
	EQ(s.p.end.why, PROBE_TIMEOUT);
	EQ(s.p.end.step, SFU_PROBE_CHECK);
	EQ(checks, 4);
}

static void a_close_of_theirs_ends_it(void)
{
	char text[2048];

	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	sfu_frame(&s, WS_OP_CLOSE, "\x0f\xa2" "bad offer", 11);
	EQ(s.p.step, SFU_PROBE_DONE);
	EQ(s.p.end.why, PROBE_CLOSED);
	EQ(s.p.end.code, 4002);
	EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_CLOSE);
	until_check();
	sfu_probe_stream_end(&s.p, s.now);
	EQ(s.p.end.why, PROBE_CLOSED);
	EQ(s.p.step, SFU_PROBE_DONE);
}

static void broken_frames_end_it(void)
{
	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	sfu_say(&s, SPAN_LIT("\x81\x81\0\0\0\0x"));
	EQ(s.p.step, SFU_PROBE_DONE);
	EQ(s.p.end.why, PROBE_GARBAGE);
}

static void a_ping_is_answered(void)
{
	char text[2048];

	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	sfu_frame(&s, WS_OP_PING, "hey", 3);
	EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_PONG);
	EQ_STR(text, "hey");
}

/* Whatever the kernel makes of the stream. */
static void bytes_may_come_one_by_one(void)
{
	static uint8_t all[8192];
	size_t n;

	sfu_start(&s, (struct addr){ 0 });
	sfu_accept(&s);
	all[0] = 0x81;
	all[1] = 126;
	n = strlen(SFU_ANSWER);
	put_be16(all + 2, (uint16_t)n);
	memcpy(all + 4, SFU_ANSWER, n);
	for (size_t i = 0; i < n + 4; i++) {
		EQ(s.p.step, SFU_PROBE_ANSWER);
		sfu_say(&s, span_of(all + i, 1));
	}
	EQ(s.p.step, SFU_PROBE_CHECK);
}

static void abandoned_it_says_goodbye_without_waiting(void)
{
	char text[2048];

	until_check();
	sfu_probe_abandon(&s.p, s.now);
	sfu_collect(&s);
	EQ(s.p.step, SFU_PROBE_DONE);
	EQ(sfu_last_frame(&s, text, sizeof(text)), WS_OP_CLOSE);
}

static void a_secret_that_makes_no_token_is_refused(void)
{
	static const uint8_t secret[1];
	const struct sfu_probe_conf c = { .signal = addr_v4(127, 0, 0, 1, 1), .secret = { secret, 1 }, .deadline = { 1 } };
	static const struct sfu_probe zero;

	rng_seed(&s.rng, 1);
	EQ(sfu_probe_init(&s.p, &c, &s.rng), 0);
	sfu_probe_done(&s.p);
	OK(memcmp(&s.p, &zero, sizeof(zero)) == 0);
}

T_MAIN(T(the_whole_dialogue), T(the_token_is_for_its_room), T(an_upgrade_refused_says_how), T(an_answer_that_is_none_is_garbage),
       T(a_media_address_of_ours_goes_first), T(a_response_must_be_vouched_for), T(noise_from_the_media_address_is_no_answer),
       T(silence_is_a_timeout_wherever_it_begins), T(a_close_of_theirs_ends_it), T(broken_frames_end_it), T(a_ping_is_answered),
       T(bytes_may_come_one_by_one), T(abandoned_it_says_goodbye_without_waiting), T(a_secret_that_makes_no_token_is_refused))
