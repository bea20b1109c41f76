/* SPDX-License-Identifier: AGPL-3.0-only */
#include "render_rig.h"

#define PEM "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n-----END PUBLIC KEY-----\n"
#define FOR(part) (1u << (part))

static void every_file_and_whom_it_concerns(void)
{
	static const struct {
		const char *path, *credential;
		unsigned parts;
		bool secret;
	} want[] = {
		{ "sfud.conf", NULL, FOR(PART_SFUD), false },
		{ "turnd.conf", NULL, FOR(PART_TURND), false },
		{ "tunneld.conf", NULL, FOR(PART_TUNNELD), false },
		{ "healthd.conf", NULL, FOR(PART_HEALTHD), false },
		{ "front/nginx.conf", NULL, FOR(PART_FRONT), false },
		{ "secrets/turn-secret", "turn-secret", FOR(PART_TURND) | FOR(PART_HEALTHD), true },
		{ "secrets/sfu-secret", "sfu-secret", FOR(PART_SFUD) | FOR(PART_HEALTHD), true },
	};
	struct local l = rig_local();

	EQ(rig_render("node_id", "node_id", &l), 0);
	EQ_STR(rig_diag.text, "");
	EQ(rig_set.n, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want) && i < rig_set.n; i++) {
		const struct render_file *f = &rig_set.file[i];

		t_row = want[i].path;
		EQ_STR(f->path, want[i].path);
		EQ(f->parts, want[i].parts);
		EQ(f->secret, want[i].secret);
		EQ(f->credential != NULL, want[i].credential != NULL);
		OK(f->text.n > 0);
		/* A secret stands in its own file only. */
		OK(f->secret || !memmem(f->text.p, f->text.n, "s3cret", 6));
	}
	t_row = "";
	EQ_SPAN(rig_find(&rig_set, "secrets/turn-secret"), SPAN_LIT("turn-s3cret"));
	EQ_SPAN(rig_find(&rig_set, "secrets/sfu-secret"), SPAN_LIT("sfu-s3cret"));
	EQ_STR(part_name[PART_FRONT], "front");
	EQ_STR(part_name[PART_HEALTHD], "healthd");
}

static void a_signing_key_is_a_file(void)
{
	static char arena[RENDER_BYTES_MAX];
	struct wr w = wr_from(arena, sizeof(arena));
	struct local l = rig_local();
	struct render_in in;

	EQ(node_parse(span_str(rig_doc), &rig_node, &rig_diag), 0);
	in = rig_in(&rig_node, &l);
	in.sfu_pem = PEM;
	EQ(render_all(&in, &w, &rig_set, &rig_diag), 0);
	EQ_SPAN(rig_find(&rig_set, "sfu-signing-key.pem"), SPAN_LIT(PEM));
	OK(rig_has("sfud.conf", "SigningKeyFile=/var/lib/oxpulse-partner-edge/current/sfu-signing-key.pem\n"));
	in.sfu_pem = "a\rb";
	EQ(render_all(&in, &w, &rig_set, &rig_diag), ERR_MALFORMED);
	EQ_STR(rig_diag.field, "sfu_signing_public_key");
}

static void the_same_input_gives_the_same_bytes(void)
{
	static char first[RENDER_BYTES_MAX], again[RENDER_BYTES_MAX];
	struct wr a = wr_from(first, sizeof(first)), b = wr_from(again, sizeof(again));
	struct local l = rig_local();
	struct render_in in;
	struct render_set s;

	EQ(node_parse(span_str(rig_doc), &rig_node, &rig_diag), 0);
	in = rig_in(&rig_node, &l);
	EQ(render_all(&in, &a, &s, &rig_diag), 0);
	EQ(render_all(&in, &b, &s, &rig_diag), 0);
	EQ_SPAN(wr_span_of(&a), wr_span_of(&b));
}

/* Rotated at NOW, rendered again at some time after: the older secret of the relay stands beside the newest for a day. */
static void the_relays_older_secret_goes_after_a_day(void)
{
	static const struct {
		const char *row;
		uint64_t after; /* seconds */
		bool both;
	} rows[] = { { "at once: ", 0, true }, { "on that day: ", 86399, true }, { "a day later: ", 86400, false } };
	static char first[RENDER_BYTES_MAX], again[RENDER_BYTES_MAX];
	struct local l = rig_local();

	EQ(node_parse(span_str(rig_doc), &rig_node, &rig_diag), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wr a = wr_from(first, sizeof(first)), b = wr_from(again, sizeof(again));
		struct render_in in = rig_in(&rig_node, &l);

		t_row = rows[i].row;
		in.now = (wall_t){ UINT64_C(1795392000) * US_PER_SEC };
		in.turn_secrets_had = SPAN_LIT("before");
		EQ(render_all(&in, &a, &rig_set, &rig_diag), 0);
		in.turn_secrets_had = rig_find(&rig_set, "secrets/turn-secret");
		in.now.us += rows[i].after * US_PER_SEC;
		EQ(render_all(&in, &b, &rig_set, &rig_diag), 0);
		EQ(rig_has("secrets/turn-secret", "\nbefore\n"), rows[i].both);
		OK(rig_has("secrets/turn-secret", "turn-s3cret"));
	}
}

static void what_is_refused(void)
{
	static const struct {
		const char *from, *to, *public_ip, *private_ip, *domain, *field;
		int err;
	} rows[] = {
		{ "node_id", "node_id", "", "", "a.b", "public_ip", ERR_MISSING },
		{ "203.0.113.10:5349", "8.8.8.8:5349", "8.8.8.8", "", "a.b", "public_ip", ERR_MALFORMED },
		{ "203.0.113.10:51820", "8.8.8.8:51820", "8.8.8.8", "", "a.b", "public_ip", ERR_MALFORMED },
		{ "node_id", "node_id", "0.0.0.0", "", "a.b", "public_ip", ERR_MALFORMED },
		{ "node_id", "node_id", "192.0.2.1:80", "", "a.b", "public_ip", ERR_MALFORMED },
		{ "node_id", "node_id", "198.51.100.7", "x", "a.b", "private_ip", ERR_MALFORMED },
		{ "node_id", "node_id", "198.51.100.7", "", "", "domain", ERR_MISSING },
		{ "node_id", "node_id", "198.51.100.7", "", "a;b", "domain", ERR_MISSING },
		{ "turn-s3cret", "#comment", "198.51.100.7", "", "a.b", "turn_secret", ERR_MALFORMED },
		{ "turn-s3cret", " x", "198.51.100.7", "", "a.b", "turn_secret", ERR_MALFORMED },
		{ "turn-s3cret", "x ", "198.51.100.7", "", "a.b", "turn_secret", ERR_MALFORMED },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct local l = rig_local();

		t_row = rows[i].to;
		strcpy(l.public_ip, rows[i].public_ip);
		strcpy(l.private_ip, rows[i].private_ip);
		strcpy(l.domain, rows[i].domain);
		EQ(rig_render(rows[i].from, rows[i].to, &l), rows[i].err);
		EQ_STR(rig_diag.field, rows[i].field);
		OK(strlen(rig_diag.text) > strlen(rows[i].field));
	}
}

/* This host's own word comes before central's. */
static void where_facts_come_from(void)
{
	struct local l = rig_local();

	EQ(rig_render("\"config_version\":1", "\"public_ip\":\"192.0.2.77\"", &l), 0);
	OK(rig_has("sfud.conf", "PublicAddress=198.51.100.7\n"));
	l.public_ip[0] = l.domain[0] = l.partner_id[0] = '\0';
	EQ(rig_render("\"config_version\":1", "\"public_ip\":\"192.0.2.77\",\"domain\":\"d.example\",\"partner_id\":\"pp\"", &l),
	   0);
	OK(rig_has("sfud.conf", "PublicAddress=192.0.2.77\n"));
	OK(rig_has("turnd.conf", "Realm=d.example\n"));
	OK(rig_has("healthd.conf", "PartnerId=pp\n"));
}

static void an_arena_that_is_too_small(void)
{
	struct local l = rig_local();
	struct render_in in;
	char arena[700];
	struct wr w = wr_from(arena, sizeof(arena));

	EQ(node_parse(span_str(rig_doc), &rig_node, &rig_diag), 0);
	in = rig_in(&rig_node, &l);
	EQ(render_all(&in, &w, &rig_set, &rig_diag), ERR_LIMIT);
	OK(rig_diag.text[0]);
}

T_MAIN(T(every_file_and_whom_it_concerns), T(a_signing_key_is_a_file), T(the_same_input_gives_the_same_bytes), T(what_is_refused),
       T(the_relays_older_secret_goes_after_a_day), T(where_facts_come_from), T(an_arena_that_is_too_small))
