/* SPDX-License-Identifier: AGPL-3.0-only */
#include "base/slab.h"
#include "refreshd_rig.h"

static struct node node;
static struct node_diag diag;

static void a_whole_document(void)
{
	EQ(node_parse(span_str(rig_doc), &node, &diag), 0);
	EQ_STR(diag.text, "");
	EQ_STR(node.node_id, "acme-0a1b2c3d4e5f");
	EQ_STR(node.partner_id, "");
	EQ_STR(node.backend_host, "203.0.113.10");
	EQ(node.backend_port, 5349);
	EQ_STR(node.turns_subdomain, "api-0a1b2c3d4e5f");
	EQ_SPAN(secret_span(&node.turn_secret), SPAN_LIT("turn-s3cret"));
	EQ_SPAN(secret_span(&node.signaling_sfu_secret), SPAN_LIT("sfu-s3cret"));
	EQ(node.relay_jwt_secret.n, 0);
	EQ_STR(node.reality.public_key, RIG_KEY43);
	EQ_STR(node.reality.short_id, "abcd1234");
	EQ_STR(node.hysteria2_server, "203.0.113.10");
	EQ(node.hysteria2_port, 51822);
	EQ_STR(node.naive_server, "");
	EQ_STR(node.awg.allocated_ip, "10.9.0.7/32");
	EQ_STR(node.awg.motherly_endpoint, "203.0.113.10:51820");
	EQ_STR(node.awg.edge_id, "acme7");
	EQ(node.n_channels, 2);
	OK(node.has_roster);
	EQ(node.n_peers, 1);
	EQ_STR(node.peer[0].turns_host, "api-x.peer.example");
	EQ(node.peer[0].turns_port, 443);
	EQ(node.peer[0].udp_port, 3478);
	EQ(node.config_version, 1);
	node_done(&node);
	EQ(node.turn_secret.n + node.n_channels, 0);
}

static void check(const char *from, const char *to, int err, const char *field)
{
	static struct node before;
	int r;

	t_row = to;
	memset(&node, 0x5a, sizeof(node));
	memcpy(&before, &node, sizeof(node));
	r = node_parse(rig_with(from, to), &node, &diag);
	EQ(r, err);
	EQ_STR(diag.field, field);
	OK((r == 0) == (diag.text[0] == '\0'));
	if (r < 0)
		OK(memcmp(&before, &node, sizeof(node)) == 0);
	t_row = "";
}

static void what_is_required(void)
{
	static const char *const fields[] = { "node_id", "backend_endpoint", "turn_secret", "turns_subdomain", "reality_encryption",
					      "signaling_sfu_secret" };
	char from[80], to[80];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		snprintf(from, sizeof(from), "\"%s\":\"", fields[i]);
		snprintf(to, sizeof(to), "\"%s\":\"\",\"was%zu\":\"", fields[i], i);
		check(from, to, ERR_MISSING, fields[i]);
		snprintf(to, sizeof(to), "\"%s\":\"  \",\"was%zu\":\"", fields[i], i);
		check(from, to, ERR_MISSING, fields[i]);
		snprintf(to, sizeof(to), "\"%s\":null,\"was%zu\":\"", fields[i], i);
		check(from, to, ERR_MISSING, fields[i]);
		snprintf(to, sizeof(to), "\"was%zu\":\"", i);
		check(from, to, ERR_MISSING, fields[i]);
	}
	check("\"reality_encryption\":\"mlkem768x25519plus.native.0rtt.XXXX\"", "\"reality_encryption\":\"none\"", 0, "");
}

/* What channels[0] does not say either. */
static void required_of_reality(void)
{
	static const char *const flat[] = { "reality_uuid", "reality_public_key", "reality_short_id" };
	char from[64], to[64];

	for (size_t i = 0; i < ARRAY_LEN(flat); i++) {
		snprintf(from, sizeof(from), "\"%s\":\"", flat[i]);
		snprintf(to, sizeof(to), "\"was%zu\":\"", i);
		check(from, to, 0, "");
	}
	EQ(node_parse(
		   SPAN_LIT("{\"node_id\":\"a\",\"backend_endpoint\":\"h:1\",\"turn_secret\":\"t\",\"turns_subdomain\":\"x\"}"),
		   &node, &diag),
	   ERR_MISSING);
	EQ_STR(diag.field, "reality_uuid");
}

static void what_is_refused(void)
{
	static const struct {
		const char *from, *to, *field;
	} rows[] = {
		{ "acme-0a1b2c3d4e5f", "acme\\n0a", "node_id" },
		{ "acme-0a1b2c3d4e5f", "$(reboot)", "node_id" },
		{ "\"acme-0a1b2c3d4e5f\"", "17", "node_id" },
		{ "\"acme-0a1b2c3d4e5f\"", "{}", "node_id" },
		{ "turn-s3cret", "a\\nstatic-auth-secret=x", "turn_secret" },
		{ "turn-s3cret", "\\u0000", "" },
		{ "\"turn-s3cret\"", "true", "turn_secret" },
		{ "sfu-s3cret", "a\\rb", "signaling_sfu_secret" },
		{ "203.0.113.10:5349", "203.0.113.10", "backend_endpoint" },
		{ "203.0.113.10:5349", ":5349", "backend_endpoint" },
		{ "203.0.113.10:5349", "203.0.113.10:", "backend_endpoint" },
		{ "203.0.113.10:5349", "203.0.113.10:0", "backend_endpoint" },
		{ "203.0.113.10:5349", "203.0.113.10:65536", "backend_endpoint" },
		{ "203.0.113.10:5349", "a b:1", "backend_endpoint" },
		{ "203.0.113.10:5349", "2001:db8::1:443", "backend_endpoint" },
		{ "api-0a1b2c3d4e5f", "api;x", "turns_subdomain" },
		{ "5a1c3c64", "5a1c\\n", "reality_uuid" },
		{ RIG_KEY43, "short", "reality_public_key" },
		{ "abcd1234", "xyz", "reality_short_id" },
		{ "abcd1234", "abcd1234abcd1234abcd", "reality_short_id" },
		{ "www.example.com", "www.example.com\\n", "reality_server_name" },
		{ "[\"www.example.com\"", "[\"a b\"", "reality_server_names[0]" },
		{ "\"cdn.example.net\"", "5", "reality_server_names[1]" },
		{ "[\"www.example.com\",\"cdn.example.net\"]", "\"a\"", "reality_server_names" },
		{ "\"config_version\":1", "\"config_version\":\"1\"", "config_version" },
		{ "\"config_version\":1", "\"config_version\":-1", "config_version" },
		{ "\"config_version\":1", "\"public_ip\":\"300.1.1.1\"", "public_ip" },
		{ "\"config_version\":1", "\"public_ip\":\"192.0.2.1:80\"", "public_ip" },
		{ "\"config_version\":1", "\"domain\":\"a b\"", "domain" },
		{ "\"config_version\":1", "\"partner_id\":\"a/b\"", "partner_id" },
		{ "\"config_version\":1", "\"hysteria2_port\":70000", "hysteria2_port" },
		{ "\"config_version\":1", "\"naive_server\":\"a b\"", "naive_server" },
		{ "\"config_version\":1", "\"naive_user\":\"a\\nb\"", "naive_user" },
		{ "\"config_version\":1", "\"naive_pass\":\"a\\nb\"", "naive_pass" },
		{ "203.0.113.10:51822", "203.0.113.10:x", "hysteria2_server" },
		{ "\"awg\":{", "\"awg\":[],\"was\":{", "awg" },
		{ "10.9.0.7/32", "10.9.0.7/99", "awg.allocated_ip" },
		{ "10.9.0.7/32", "10.9.0.7\\n[Peer]", "awg.allocated_ip" },
		{ "\"jc\":4", "\"jc\":4,\"i1\":\"<b 00>\\n[Peer]\"", "awg.i1" },
		{ "\"jc\":4", "\"jc\":4,\"i1\":\"[Peer]\"", "awg.i1" },
		{ "\"jc\":4", "\"jc\":{}", "awg.jc" },
		{ RIG_KEY44, "x", "awg.motherly_pubkey" },
		{ "203.0.113.10:51820", "203.0.113.10", "awg.motherly_endpoint" },
		{ "203.0.113.10:51820", "203.0.113.10:1\\n", "awg.motherly_endpoint" },
		{ "\"10.9.0.2\"", "\"mesh\"", "awg.motherly_awg_ip" },
		{ "acme7", "a b", "awg.edge_id" },
		{ "[{\"node_id\":\"peer-1\"", "[7,{\"node_id\":\"peer-1\"", "peer_roster.*" },
		{ "peer-1", "peer\\n1", "peer_roster.node_id" },
		{ "api-x.peer.example", "a b", "peer_roster.turns_host" },
		{ "\"peer_roster\":[", "\"peer_roster\":{},\"was\":[", "peer_roster" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].from, rows[i].to, ERR_MALFORMED, rows[i].field);
}

static void a_mesh_needs_all_of_it(void)
{
	static const char *const fields[] = { "motherly_pubkey", "motherly_endpoint", "motherly_awg_ip", "jc", "jmin", "jmax",
					      "s1", "s2", "s4", "h1", "h2", "h3", "h4" };
	char from[40], to[40], field[40];

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		snprintf(from, sizeof(from), "\"%s\":", fields[i]);
		snprintf(to, sizeof(to), "\"was%zu\":", i);
		snprintf(field, sizeof(field), "awg.%s", fields[i]);
		check(from, to, ERR_MISSING, field);
	}
	check("\"motherly_awg_ip\":\"10.9.0.2\"", "\"motherly_awg_ip\":\"\"", ERR_MISSING, "awg.motherly_awg_ip");
	/* Without an address of its own there is no mesh, so nothing of it is needed. */
	check("\"allocated_ip\":\"10.9.0.7/32\",\"motherly_pubkey\":\"" RIG_KEY44 "\",", "", 0, "");
	EQ_STR(node.awg.allocated_ip, "");
	EQ_STR(node.awg.edge_id, "acme7");
	check("\"awg\":{", "\"was\":{", 0, "");
}

static void bounds(void)
{
	static char big[NODE_DOC_MAX + 2], many[2 * NODE_TOKENS_MAX + 2];

	memset(big, ' ', sizeof(big));
	EQ(node_parse(span_of(big, NODE_DOC_MAX + 1), &node, &diag), ERR_LIMIT);
	memset(many, ',', sizeof(many));
	many[0] = '[';
	for (size_t i = 1; i < sizeof(many); i += 2)
		many[i] = '1';
	many[2 * NODE_TOKENS_MAX] = ']';
	EQ(node_parse(span_of(many, 2 * NODE_TOKENS_MAX + 1), &node, &diag), ERR_LIMIT);
	EQ(node_parse(SPAN_LIT("[]"), &node, &diag), ERR_MALFORMED);
	EQ(node_parse(SPAN_LIT("<html>502</html>"), &node, &diag), ERR_MALFORMED);
	EQ(node_parse(SPAN_LIT(""), &node, &diag), ERR_MALFORMED);
	EQ(node_parse(span_of(rig_doc, sizeof(rig_doc) / 2), &node, &diag), ERR_MALFORMED);
	OK(strstr(diag.text, "cut off") != NULL);
	(void)mem_fail_at(0);
	EQ(node_parse(span_str(rig_doc), &node, &diag), ERR_NOMEM);
	(void)mem_fail_at(SIZE_MAX);
}

/* A roster is for probes: what is odd in it costs a peer, not the node. */
static void an_odd_roster(void)
{
	char text[8192];
	struct wr w = wr_from(text, sizeof(text) - 1);

	check("\"turns_port\":443", "\"turns_port\":\"x\",\"udp_port\":\"3479\"", 0, "");
	EQ(node.peer[0].turns_port, 443);
	EQ(node.peer[0].udp_port, 3479);
	check("\"turns_host\":\"api-x.peer.example\"", "\"turns_host\":\"\"", 0, "");
	EQ(node.n_peers, 0);
	EQ_STR(node.peer[0].node_id, "");
	check("\"peer_roster\"", "\"other_roster\"", 0, "");
	OK(!node.has_roster);
	check("[{\"node_id\":\"peer-1\",\"turns_host\":\"api-x.peer.example\",\"turns_port\":443}]", "[]", 0, "");
	OK(node.has_roster);
	for (int i = 0; i < NODE_PEERS_MAX + 5; i++)
		wr_str(&w, i ? ",{\"node_id\":\"p\",\"turns_host\":\"h\"}" : "[{\"node_id\":\"p\",\"turns_host\":\"h\"}");
	wr_str(&w, "]");
	text[wr_len(&w)] = '\0';
	EQ(node_parse(rig_with("[{\"node_id\":\"peer-1\",\"turns_host\":\"api-x.peer.example\",\"turns_port\":443}]", text),
		      &node, &diag),
	   0);
	EQ(node.n_peers, NODE_PEERS_MAX);
}

static void other_channels_by_flat_members(void)
{
	check("\"config_version\":1",
	      "\"hysteria2_port\":\"443\",\"naive_server\":\"n.example\",\"naive_user\":\"u\",\"naive_pass\":\"p w\"", 0, "");
	EQ(node.hysteria2_port, 443);
	EQ_STR(node.naive_server, "n.example");
	EQ(node.naive_port, 443);
	EQ_STR(node.naive_user, "u");
	EQ_SPAN(secret_span(&node.naive_pass), SPAN_LIT("p w"));
	check("203.0.113.10:51822", "hy2.example", 0, "");
	EQ_STR(node.hysteria2_server, "hy2.example");
	check("\"config_version\":1",
	      "\"public_ip\":\"2001:db8::1\",\"relay_jwt_secret\":null,\"config_version\":18446744073709551615", 0, "");
	EQ_STR(node.public_ip, "2001:db8::1");
	EQ(node.config_version, UINT64_MAX);
}

static void the_pool_of_names(void)
{
	const char *pool[NODE_SNI_MAX];

	check("node_id", "node_id", 0, ""); /* channels[0] has one name, the flat pool two */
	EQ(node_sni_pool(&node, pool), 1);
	EQ_STR(pool[0], "www.example.com");
	check("\"server_names\":[\"www.example.com\"]", "\"server_names\":[]", 0, "");
	EQ(node_sni_pool(&node, pool), 2);
	EQ_STR(pool[1], "cdn.example.net");
	check("\"protocol\":\"vless-reality\"", "\"protocol\":\"other\"", 0, "");
	EQ(node_sni_pool(&node, pool), 2);
	check("[\"www.example.com\",\"cdn.example.net\"]", "[\"\",\" \"]", 0, "");
	EQ(node_sni_pool(&node, pool), 1);
	node.reality.n_server_names = 0;
	EQ(node_sni_pool(&node, pool), 1);
	EQ_STR(pool[0], "www.example.com");
	node.reality.server_name[0] = '\0';
	EQ(node_sni_pool(&node, pool), 0);
}

T_MAIN(T(a_whole_document), T(what_is_required), T(required_of_reality), T(what_is_refused), T(a_mesh_needs_all_of_it), T(bounds),
       T(an_odd_roster), T(other_channels_by_flat_members), T(the_pool_of_names))
