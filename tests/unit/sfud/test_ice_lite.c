/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/transport/ice_lite.h"

#include "t.h"
#include "unit/sfud/ice_rig.h"

#define AT(s) ((mono_t){ DUR_SEC(s) })

struct rig {
	struct ice_lite ice;
	struct rng rng;
	struct rig_box box;
	enum ice_event ev;
	struct path lost;
	struct stun_msg answer;
};

static void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	rng_seed(&r->rng, 7);
	rig_box_init(&r->box);
	ice_init(&r->ice, &r->rng);
	EQ(ice_set_remote(&r->ice, SPAN_LIT("peer"), SPAN_LIT("peerpassword")), 0);
}

static enum drop take(struct rig *r, const struct stun_msg *m, const struct path *path, mono_t now)
{
	enum drop drop;
	size_t n;

	r->ev = ICE_NOTHING;
	drop = ice_input(&r->ice, m, path, now, &r->box.out, &r->ev, &r->lost);
	n = rig_sent(&r->box);
	EQ(n, drop == DROP_NONE ? 1 : 0);
	if (n) {
		OK(path_eq(&r->box.sent[0].path, path));
		EQ(stun_parse(span_of(r->box.sent[0].b, r->box.sent[0].n), &r->answer), 0);
		EQ(stun_check_integrity(&r->answer, span_str(r->ice.pwd)), 0);
		OK(r->answer.has_fingerprint && r->answer.fingerprint_ok);
		OK(memcmp(r->answer.tid, m->tid, STUN_TID_LEN) == 0);
	}
	return drop;
}

static enum drop check(struct rig *r, uint8_t host, unsigned flags, mono_t now)
{
	struct path path = rig_path(host);
	struct rig_request q;

	rig_request(&q, r->ice.ufrag, "peer", r->ice.pwd, flags);
	return take(r, &q.m, &path, now);
}

static bool selected(const struct rig *r, uint8_t host)
{
	const struct path *got = ice_selected(&r->ice);
	struct path want = rig_path(host);

	return got && path_eq(got, &want);
}

/* RFC 8839 5.4: at least 24 random bits of ufrag and 128 of password, in ice-chars. */
static void credentials_are_random_ice_chars(void)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct ice_lite a, b;
	struct rng rng;

	rng_seed(&rng, 1);
	ice_init(&a, &rng);
	ice_init(&b, &rng);
	EQ(strspn(a.ufrag, chars), ICE_UFRAG_LEN);
	EQ(strspn(a.pwd, chars), ICE_PWD_LEN);
	EQ(strlen(a.ufrag), ICE_UFRAG_LEN);
	EQ(strlen(a.pwd), ICE_PWD_LEN);
	OK(strcmp(a.ufrag, b.ufrag) != 0 && strcmp(a.pwd, b.pwd) != 0);
	OK(!ice_selected(&a));
	OK(mono_is_never(ice_deadline(&a)));
}

/* RFC 8445 7.3: a good check is answered with the mapped address and makes its path valid. */
static void a_good_check_is_answered_and_makes_a_path(void)
{
	struct path path = rig_path(1);
	struct rig r;

	rig_init(&r);
	EQ(check(&r, 1, 0, AT(1)), DROP_NONE);
	EQ(r.ev, ICE_PATH_NEW);
	EQ(r.answer.cls, STUN_SUCCESS);
	OK(addr_eq(&r.answer.mapped, &path.remote));
	OK(selected(&r, 1));
	EQ(ice_deadline(&r.ice).us, AT(31).us);
	EQ(check(&r, 1, 0, AT(5)), DROP_NONE);
	EQ(r.ev, ICE_NOTHING);
	EQ(ice_deadline(&r.ice).us, AT(35).us);
}

/* What is not an authentic Binding request with our ufrag and the peer's is dropped without an answer. */
static void others_are_dropped_silently(void)
{
	const struct { const char *row, *local, *remote, *pwd; unsigned flags; enum drop want; } rows[] = {
		{ "password: ", NULL, "peer", "wrong", 0, DROP_STUN_INTEGRITY },
		{ "no integrity: ", NULL, "peer", NULL, RIG_NO_INTEGRITY, DROP_STUN_INTEGRITY },
		{ "local ufrag: ", "wrong", "peer", NULL, 0, DROP_STUN_UNEXPECTED },
		{ "remote ufrag: ", NULL, "pee", NULL, 0, DROP_STUN_UNEXPECTED },
		{ "longer remote: ", NULL, "peers", NULL, 0, DROP_STUN_UNEXPECTED },
		{ "no remote: ", NULL, "", NULL, 0, DROP_STUN_UNEXPECTED },
		{ "fingerprint: ", NULL, "peer", NULL, RIG_BAD_CRC, DROP_STUN_MALFORMED },
		{ "unknown attribute and password: ", NULL, "peer", "wrong", RIG_UNKNOWN, DROP_STUN_INTEGRITY },
		{ "role and password: ", NULL, "peer", "wrong", RIG_CONTROLLED, DROP_STUN_INTEGRITY },
	};
	struct path path = rig_path(1);
	struct rig_request q;
	struct rig r;

	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		rig_request(&q, rows[i].local ? rows[i].local : r.ice.ufrag, rows[i].remote,
			    rows[i].pwd ? rows[i].pwd : r.ice.pwd, rows[i].flags);
		EQ(take(&r, &q.m, &path, AT(1)), rows[i].want);
		OK(!ice_selected(&r.ice));
	}
	rig_request(&q, r.ice.ufrag, "peer", r.ice.pwd, 0);
	q.m.cls = STUN_INDICATION;
	EQ(take(&r, &q.m, &path, AT(1)), DROP_STUN_UNEXPECTED);
	q.m.cls = STUN_REQUEST;
	q.m.method = 3;
	EQ(take(&r, &q.m, &path, AT(1)), DROP_STUN_UNEXPECTED);
}

/* RFC 8445 7.3.1.1: a lite agent never controls, so a controlled peer is told 487; RFC 8489 6.3.1: unknown
 * attributes 420. */
static void conflicts_and_unknown_attributes_are_answered(void)
{
	struct rig r;

	rig_init(&r);
	EQ(check(&r, 1, RIG_CONTROLLED, AT(1)), DROP_NONE);
	EQ(r.answer.cls, STUN_ERROR);
	EQ(r.answer.error, 487);
	EQ(check(&r, 1, RIG_UNKNOWN, AT(1)), DROP_NONE);
	EQ(r.answer.cls, STUN_ERROR);
	EQ(r.answer.error, 420);
	EQ(r.ev, ICE_NOTHING);
	OK(!ice_selected(&r.ice));
}

/* RFC 8445 8.1.1: the first path serves until the controlling side nominates; the last nomination counts. */
static void nomination_selects(void)
{
	const struct { const char *row; uint8_t host; unsigned flags; enum ice_event ev; uint8_t selected; } rows[] = {
		{ "first: ", 1, 0, ICE_PATH_NEW, 1 },
		{ "second: ", 2, 0, ICE_PATH_NEW, 1 },
		{ "nominated: ", 2, RIG_NOMINATE, ICE_PATH_SELECTED, 2 },
		{ "again: ", 2, RIG_NOMINATE, ICE_NOTHING, 2 },
		{ "keep-alive of the first: ", 1, 0, ICE_NOTHING, 2 },
		{ "new and nominated: ", 3, RIG_NOMINATE, ICE_PATH_NEW, 3 },
		{ "back: ", 1, RIG_NOMINATE, ICE_PATH_SELECTED, 1 },
	};
	struct rig r;

	rig_init(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ(check(&r, rows[i].host, rows[i].flags, AT(i)), DROP_NONE);
		EQ(r.ev, rows[i].ev);
		OK(selected(&r, rows[i].selected));
	}
}

/* A ninth path takes the place of the least recently checked one, but never of the selected one. */
static void the_least_recent_path_makes_room(void)
{
	struct path second = rig_path(2), third = rig_path(3);
	struct rig r;

	rig_init(&r);
	for (uint8_t i = 1; i <= ICE_PATHS_MAX; i++) {
		EQ(check(&r, i, 0, AT(i)), DROP_NONE);
		EQ(r.ev, ICE_PATH_NEW);
	}
	EQ(check(&r, 100, 0, AT(20)), DROP_NONE);
	EQ(r.ev, ICE_PATH_LOST_AND_NEW);
	OK(path_eq(&r.lost, &second));
	OK(selected(&r, 1));
	EQ(check(&r, 101, RIG_NOMINATE, AT(21)), DROP_NONE);
	EQ(r.ev, ICE_PATH_LOST_AND_NEW);
	OK(path_eq(&r.lost, &third));
	OK(selected(&r, 101));
}

/* RFC 7675 5.1: consent belongs to one path; a selected path silent for 30 s gives way to one that is checked. */
static void a_silent_selected_path_gives_way(void)
{
	struct rig r;

	rig_init(&r);
	EQ(check(&r, 1, RIG_NOMINATE, AT(0)), DROP_NONE);
	EQ(check(&r, 2, 0, AT(29)), DROP_NONE);
	OK(selected(&r, 1));
	EQ(check(&r, 2, 0, AT(30)), DROP_NONE);
	EQ(r.ev, ICE_PATH_SELECTED);
	OK(selected(&r, 2));
	EQ(ice_deadline(&r.ice).us, AT(60).us);
}

/* RFC 8445 9: after a restart old credentials are dead, the old path serves until the first new check, which
 * selects. */
static void a_restart_keeps_the_path_until_the_first_new_check(void)
{
	struct rig_request old;
	struct path path = rig_path(1);
	struct rig r;

	rig_init(&r);
	EQ(check(&r, 1, RIG_NOMINATE, AT(0)), DROP_NONE);
	rig_request(&old, r.ice.ufrag, "peer", r.ice.pwd, 0);
	ice_restart(&r.ice, &r.rng);
	EQ(take(&r, &old.m, &path, AT(1)), DROP_STUN_UNEXPECTED);
	OK(selected(&r, 1));
	EQ(ice_deadline(&r.ice).us, AT(30).us);
	EQ(check(&r, 2, 0, AT(2)), DROP_NONE); /* the peer's new ufrag is not known yet: any will do */
	EQ(r.ev, ICE_PATH_NEW);
	OK(selected(&r, 2));
	EQ(check(&r, 1, 0, AT(3)), DROP_NONE);
	OK(selected(&r, 2));
}

/* RFC 8839 5.4: a changed remote ufrag is the peer's restart; values of more than 256 characters are refused. */
static void remote_credentials_are_bounded_and_restart(void)
{
	uint8_t longest[ICE_REMOTE_MAX + 1];
	struct rig r;

	memset(longest, 'x', sizeof(longest));
	rig_init(&r);
	EQ(check(&r, 1, RIG_NOMINATE, AT(0)), DROP_NONE);
	EQ(ice_set_remote(&r.ice, span_of(longest, 257), SPAN_LIT("p")), ERR_LIMIT);
	EQ(ice_set_remote(&r.ice, SPAN_LIT("u"), span_of(longest, 257)), ERR_LIMIT);
	EQ_STR(r.ice.remote_ufrag, "peer");
	EQ(ice_set_remote(&r.ice, SPAN_LIT("peer"), SPAN_LIT("other")), 0);
	OK(!r.ice.restarted);
	EQ(ice_set_remote(&r.ice, span_of(longest, 256), span_of(longest, 256)), 0);
	OK(r.ice.restarted);
	EQ(check(&r, 2, 0, AT(1)), DROP_STUN_UNEXPECTED);
	EQ(ice_set_remote(&r.ice, SPAN_LIT("peer"), SPAN_LIT("p")), 0);
	EQ(check(&r, 2, 0, AT(1)), DROP_NONE);
	OK(selected(&r, 2));
}

/* RFC 8445 7.2.2: USERNAME is the receiver's ufrag, a colon, the sender's. */
static void the_local_ufrag_is_found(void)
{
	const struct { const char *row, *username, *want; } rows[] = {
		{ "both: ", "abcd:efgh", "abcd" }, { "two colons: ", "a:b:c", "a" }, { "no colon: ", "abcd", "" },
		{ "no local: ", ":efgh", "" },     { "no remote: ", "abcd:", "" },   { "empty: ", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].row;
		EQ_SPAN(ice_local_ufrag(span_str(rows[i].username)), span_str(rows[i].want));
	}
	EQ(ice_local_ufrag(span_of(NULL, 0)).n, 0);
}

T_MAIN(T(credentials_are_random_ice_chars), T(a_good_check_is_answered_and_makes_a_path), T(others_are_dropped_silently),
       T(conflicts_and_unknown_attributes_are_answered), T(nomination_selects), T(the_least_recent_path_makes_room),
       T(a_silent_selected_path_gives_way), T(a_restart_keeps_the_path_until_the_first_new_check),
       T(remote_credentials_are_bounded_and_restart), T(the_local_ufrag_is_found))
