/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sim/turn_rig.h"
#include "t.h"
#include "turnd/req.h"

#define ME addr_v4(7, 7, 7, 7, 1111)

struct world {
	struct turn_rig r;
	struct rig_client c;
};

static void begin(struct world *w)
{
	rig_init(&w->r);
	rig_start(&w->r);
	rig_client(&w->c, &w->r, VIA_UDP, ME);
}

/* RFC 8489 9.2.4: who brings no credentials learns what to bring, in 120 bytes at most. */
static void stranger_is_challenged(void)
{
	struct world w;

	for (int fingerprint = 0; fingerprint < 2; fingerprint++) {
		t_row = fingerprint ? "with FINGERPRINT: " : "without: ";
		begin(&w);
		memset(w.r.t.conf.realm, 0, sizeof(w.r.t.conf.realm));
		memcpy(w.r.t.conf.realm, "sixteen.example.", 16);
		w.r.t.conf.software = true;
		w.c.fingerprint = fingerprint;
		EQ(rig_nonce(&w.c), 401);
		OK(w.c.ans_n <= 120);
		OK(!w.c.ans_signed);
		EQ(w.c.m.has_fingerprint, fingerprint);
		EQ_SPAN(w.c.m.realm, SPAN_LIT("sixteen.example."));
		EQ(w.c.m.nonce.n, NONCE_LEN);
		EQ_SPAN(w.c.m.algorithms, auth_algorithms());
		EQ(w.r.t.stats.auth_failed, 0);
		rig_done(&w.r);
	}
}

enum { P_USER = 1, P_REALM = 2, P_NONCE = 4, P_LIST = 8, P_ALG = 16, P_WRONG_LIST = 32, P_ALG3 = 64, P_FOREIGN = 128 };
#define P_ALL (P_USER | P_REALM | P_NONCE)

static int call_with(struct rig_client *c, unsigned what)
{
	static const uint8_t sha256_only[4] = { 0, 2 }, md5[4] = { 0, 1 }, three[4] = { 0, 3 };
	uint8_t key[STUN_KEY_MAX];

	rig_begin(c, TURN_ALLOCATE);
	rig_put_transport(c, TURN_UDP);
	if (what & P_USER)
		stun_put(&c->w, STUN_ATTR_USERNAME, span_str(c->user));
	if (what & P_REALM)
		stun_put(&c->w, STUN_ATTR_REALM, span_str(c->realm));
	if (what & P_NONCE)
		stun_put(&c->w, STUN_ATTR_NONCE, span_of(c->nonce, c->nonce_n));
	if (what & P_FOREIGN)
		stun_put(&c->w, STUN_ATTR_NONCE, SPAN_LIT("obMatJos2AAABAAAAAAAAAAAAAAAAAAAAAAAA"));
	if (what & P_LIST)
		stun_put(&c->w, STUN_ATTR_PASSWORD_ALGORITHMS, auth_algorithms());
	if (what & P_WRONG_LIST)
		stun_put(&c->w, STUN_ATTR_PASSWORD_ALGORITHMS, span_of(sha256_only, 4));
	if (what & (P_ALG | P_ALG3))
		stun_put(&c->w, STUN_ATTR_PASSWORD_ALGORITHM, what & P_ALG ? span_of(md5, 4) : span_of(three, 4));
	stun_put_integrity(&c->w, rig_key(c, key));
	return rig_call_unsigned(c);
}

/* RFC 8489 9.2.4: incomplete is 400, and so is a list that is not the one we sent: somebody took the better one out. */
static void incomplete_credentials_are_refused(void)
{
	const struct {
		const char *row;
		unsigned what;
		int want;
	} row[] = {
		{ "no user: ", P_REALM | P_NONCE, 400 },
		{ "no realm: ", P_USER | P_NONCE, 400 },
		{ "no nonce: ", P_USER | P_REALM, 400 },
		{ "a list without a choice: ", P_ALL | P_LIST, 400 },
		{ "a choice without a list: ", P_ALL | P_ALG, 400 },
		{ "a list that was shortened: ", P_ALL | P_WRONG_LIST | P_ALG, 400 },
		{ "a choice that is not in it: ", P_ALL | P_LIST | P_ALG3, 400 },
		{ "foreign nonce: ", P_USER | P_REALM | P_FOREIGN, 438 },
		{ "as RFC 5389 has it: ", P_ALL, 0 },
		{ "as RFC 8489 has it: ", P_ALL | P_LIST | P_ALG, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w;

		t_row = row[i].row;
		begin(&w);
		(void)rig_nonce(&w.c);
		EQ(call_with(&w.c, row[i].what), row[i].want);
		EQ(w.r.t.allocs.live, row[i].want == 0);
		OK(row[i].want != 438 || w.c.ans_n <= 120);
		rig_done(&w.r);
	}
}

/* A nonce is good at its address, for its time; then 438 brings another one. */
static void nonce_is_bound_to_address_and_time(void)
{
	struct world w;
	struct rig_client thief;

	begin(&w);
	(void)rig_nonce(&w.c);
	rig_client(&thief, &w.r, VIA_UDP, addr_v4(7, 7, 7, 8, 1111));
	memcpy(thief.nonce, w.c.nonce, w.c.nonce_n);
	thief.nonce_n = w.c.nonce_n;
	EQ(call_with(&thief, P_ALL), 438);
	EQ(call_with(&thief, P_ALL), 0);
	w.r.now = mono_add(w.r.now, DUR_SEC(602));
	EQ(call_with(&w.c, P_ALL), 438);
	EQ(call_with(&w.c, P_ALL), 0);
	rig_done(&w.r);
}

/* Names carry their expiry; what is no such name is nobody's. */
static void names_are_judged(void)
{
	const struct {
		const char *row, *name;
		int want;
		uint64_t failed, expired;
	} row[] = {
		{ "no number: ", "alice", 401, 1, 0 },
		{ "negative: ", "-1700000100:a", 401, 1, 0 },
		{ "expired: ", "1600000000:alice", 401, 0, 1 },
		{ "expires this second: ", "1700000000:alice", 401, 0, 1 },
		{ "one second left: ", "1700000001:alice", 0, 0, 0 },
		{ "number alone: ", "1800000000", 0, 0, 0 },
		{ "empty id: ", "1800000000:", 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w;

		t_row = row[i].row;
		begin(&w);
		(void)rig_nonce(&w.c);
		memcpy(w.c.user, row[i].name, strlen(row[i].name) + 1);
		EQ(call_with(&w.c, P_ALL), row[i].want);
		EQ(w.r.t.stats.auth_failed, row[i].failed);
		EQ(w.r.t.stats.auth_expired, row[i].expired);
		rig_done(&w.r);
	}
}

static void long_names_are_refused(void)
{
	for (size_t n = 254; n <= 257; n++) {
		struct world w;

		begin(&w);
		(void)rig_nonce(&w.c);
		memset(w.c.user, 'x', n);
		memcpy(w.c.user, "1800000000:", 11);
		w.c.user[n] = '\0';
		EQ(call_with(&w.c, P_ALL), n <= 255 ? 0 : 401);
		rig_done(&w.r);
	}
}

/* Every configured secret is good; no other is. */
static void secrets_rotate(void)
{
	const struct {
		const char *secret;
		int want;
	} row[] = { { RIG_SECRET, 0 }, { RIG_SECRET_OLD, 0 }, { "west", 401 }, { "", 401 } };

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w;

		t_row = row[i].secret;
		begin(&w);
		memcpy(w.c.secret, row[i].secret, strlen(row[i].secret) + 1);
		EQ(rig_allocate(&w.c), row[i].want);
		EQ(w.r.t.stats.auth_failed, row[i].want == 401);
		rig_done(&w.r);
	}
}

/* A session lives on with the key it began with, though its secret has gone. */
static void session_keeps_its_key(void)
{
	struct world w;
	struct turn_conf conf;

	begin(&w);
	memcpy(w.c.secret, RIG_SECRET_OLD, sizeof(RIG_SECRET_OLD));
	EQ(rig_allocate(&w.c), 0);
	conf = w.r.conf;
	conf.n_secrets = 1;
	conf.worker = 6;
	turn_reconf(&w.r.t, &conf);
	EQ(w.r.t.conf.worker, 3);
	EQ(rig_refresh(&w.c, 600), 0);
	memcpy(w.c.secret, "west", 5);
	EQ(rig_refresh(&w.c, 600), 401);
	rig_done(&w.r);
}

static void both_integrities_are_good(void)
{
	for (int i = 0; i < 4; i++) {
		struct world w;

		begin(&w);
		w.c.sha256 = i & 1;
		w.c.fingerprint = i & 2;
		EQ(rig_allocate(&w.c), 0);
		OK(w.c.ans_signed);
		EQ(w.c.m.has_integrity256, w.c.sha256);
		EQ(w.c.m.has_fingerprint, w.c.fingerprint);
		EQ(rig_refresh(&w.c, 600), 0);
		t_row = "the other algorithm, in the same session: ";
		w.c.sha256 = !w.c.sha256;
		EQ(rig_refresh(&w.c, 600), 0);
		OK(w.c.ans_signed);
		rig_done(&w.r);
	}
}

/* A USERHASH is the name of somebody who has an allocation already; else 401 makes the client name itself. */
static void userhash_is_resolved(void)
{
	struct world w;
	struct rig_client d;

	begin(&w);
	rig_client(&d, &w.r, VIA_UDP, addr_v4(7, 7, 7, 7, 2222));
	d.userhash = true;
	EQ(rig_allocate(&d), 401);
	EQ(rig_allocate(&w.c), 0);
	EQ(rig_allocate(&d), 0);
	EQ(rig_refresh(&d, 600), 0);
	OK(d.ans_signed);
	EQ_STR(rig_alloc(&d)->user, w.c.user);
	rig_done(&w.r);
}

/* RFC 8656 5: an allocation has one user. */
static void another_user_is_441(void)
{
	struct world w;

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	rig_credential(&w.c, 3600, "mallory");
	EQ(rig_refresh(&w.c, 0), 441);
	OK(w.c.ans_signed);
	EQ(w.r.t.allocs.live, 1);
	t_row = "and needs a password for that: ";
	memcpy(w.c.secret, "west", 5);
	EQ(rig_refresh(&w.c, 0), 401);
	rig_done(&w.r);
}

/* Expiry is enforced on every request that makes something live longer; leaving is always allowed. */
static void expired_credential_extends_nothing(void)
{
	struct world w;
	struct addr peer = addr_v4(8, 8, 8, 8, 5000);

	begin(&w);
	EQ(rig_allocate(&w.c), 0);
	EQ(rig_permit(&w.c, &peer), 0);
	turn_set_wall(&w.r.t, w.r.now, (wall_t){ (RIG_WALL + 3600) * US_PER_SEC });
	EQ(rig_refresh(&w.c, 600), 401);
	EQ(rig_permit(&w.c, &peer), 401);
	EQ(rig_bind(&w.c, 0x4000, &peer), 401);
	EQ(w.r.t.stats.auth_expired, 3);
	rig_clear(&w.r);
	EQ(rig_send(&w.c, &peer, SPAN_LIT("data"), false), DROP_NONE);
	EQ(rig_refresh(&w.c, 0), 0);
	EQ(w.r.t.allocs.live, 0);
	rig_done(&w.r);
}

/* Refreshing cannot outlive the credential, however often. */
static void credential_ends_the_session(void)
{
	struct world w;

	begin(&w);
	rig_credential(&w.c, 900, "alice");
	EQ(rig_allocate(&w.c), 0);
	EQ(w.c.a.lifetime, 600);
	rig_tick(&w.r, DUR_SEC(500));
	EQ(rig_refresh(&w.c, 600), 0);
	EQ(w.c.a.lifetime, 400);
	rig_tick(&w.r, DUR_SEC(399));
	EQ(rig_refresh(&w.c, 600), 438);
	EQ(rig_refresh(&w.c, 600), 0);
	EQ(w.c.a.lifetime, 1);
	rig_tick(&w.r, DUR_SEC(1));
	EQ(w.r.t.allocs.live, 0);
	EQ(rig_refresh(&w.c, 600), 401);
	rig_done(&w.r);
}

T_MAIN(T(stranger_is_challenged), T(incomplete_credentials_are_refused), T(nonce_is_bound_to_address_and_time),
       T(names_are_judged), T(long_names_are_refused), T(secrets_rotate), T(session_keeps_its_key),
       T(both_integrities_are_good), T(userhash_is_resolved), T(another_user_is_441),
       T(expired_credential_extends_nothing), T(credential_ends_the_session))
