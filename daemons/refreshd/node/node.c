/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/node.h"

#include "base/slab.h"
#include "refreshd/node/node_channels.h"

#define TURNS_PORT 443
#define STUN_PORT 3478
#define HYSTERIA2_PORT 443
#define NAIVE_PORT 443

/* A document being read: tokens and result are too large for the stack. */
struct node_work {
	struct json_tok tok[NODE_TOKENS_MAX];
	struct node node;
};

/* "host:port" of one member in two fields; without a port it is dflt, and 0 means there must be one. */
static void read_endpoint(struct node_in *in, int obj, const char *key, uint16_t dflt, char *ret_host, uint16_t *ret_port)
{
	char text[NODE_NAME_MAX + 8];
	struct span host;

	in_text(in, obj, key, TEXT_WORD, text, sizeof(text));
	if (in->err || text[0] == '\0')
		return;
	host = span_str(text);
	if (dflt && text_fits(TEXT_HOST, host))
		*ret_port = dflt;
	else if (text_split_port(host, &host, ret_port) < 0)
		host.n = 0;
	if (host.n == 0 || host.n >= NODE_NAME_MAX) {
		in_fail(in, ERR_MALFORMED, key, " is not host:port");
		return;
	}
	memcpy(ret_host, host.p, host.n);
	ret_host[host.n] = '\0';
}

static void read_flat(struct node_in *in, struct node *n)
{
	struct node_reality *r = &n->reality;

	in_text(in, 0, "node_id", TEXT_ID, n->node_id, sizeof(n->node_id));
	in_text(in, 0, "partner_id", TEXT_ID, n->partner_id, sizeof(n->partner_id));
	in_text(in, 0, "domain", TEXT_NAME, n->domain, sizeof(n->domain));
	read_endpoint(in, 0, "backend_endpoint", 0, n->backend_host, &n->backend_port);
	in_secret(in, 0, "turn_secret", &n->turn_secret);
	in_text(in, 0, "turns_subdomain", TEXT_NAME, n->turns_subdomain, sizeof(n->turns_subdomain));
	in_text(in, 0, "public_ip", TEXT_IP, n->public_ip, sizeof(n->public_ip));
	in_text(in, 0, "reality_uuid", TEXT_WORD, r->uuid, sizeof(r->uuid));
	in_text(in, 0, "reality_public_key", TEXT_KEY43, r->public_key, sizeof(r->public_key));
	in_text(in, 0, "reality_short_id", TEXT_HEX, r->short_id, sizeof(r->short_id));
	in_text(in, 0, "reality_encryption", TEXT_WORD, r->encryption, sizeof(r->encryption));
	in_text(in, 0, "reality_server_name", TEXT_NAME, r->server_name, sizeof(r->server_name));
	node_names_read(in, 0, "reality_server_names", r);
	in_secret(in, 0, "signaling_sfu_secret", &n->signaling_sfu_secret);
	in_secret(in, 0, "relay_jwt_secret", &n->relay_jwt_secret);
	in_u64(in, 0, "config_version", &n->config_version);
}

/* The two channels that are described by flat members, not by an element of channels[]. */
static void read_others(struct node_in *in, struct node *n)
{
	read_endpoint(in, 0, "hysteria2_server", HYSTERIA2_PORT, n->hysteria2_server, &n->hysteria2_port);
	in_port(in, 0, "hysteria2_port", n->hysteria2_port, &n->hysteria2_port);
	read_endpoint(in, 0, "naive_server", NAIVE_PORT, n->naive_server, &n->naive_port);
	in_port(in, 0, "naive_port", n->naive_port, &n->naive_port);
	in_text(in, 0, "naive_user", TEXT_WORD, n->naive_user, sizeof(n->naive_user));
	in_secret(in, 0, "naive_pass", &n->naive_pass);
}

/* --- the mesh ---------------------------------------------------------------------------------------------------- */

/* Whatever else is in there goes line by line into an interface's file one day: no line may end early or begin a section. */
static void check_awg(struct node_in *in, int obj)
{
	char key[48], value[2048];

	for (int k = json_first(in->j, obj); k >= 0 && in->err == 0; k = json_next(in->j, obj, k)) {
		struct wr w = wr_from(key, sizeof(key) - 1), v = wr_from(value, sizeof(value));

		json_unescape(in->j, k, &w);
		key[wr_len(&w)] = '\0';
		if (json_type_of(in->j, k + 1) != JSON_STRING || strcmp(key, "motherly_endpoint") == 0)
			continue;
		json_unescape(in->j, k + 1, &v);
		if (v.bad)
			in_fail(in, ERR_MALFORMED, key, " is too long");
		else if (text_has_control(wr_span_of(&v)) || memchr(value, '[', wr_len(&v)) || memchr(value, ']', wr_len(&v)))
			in_fail(in, ERR_MALFORMED, key, " has a control character or a bracket in it");
	}
	wipe(value, sizeof(value));
}

static void need_awg(struct node_in *in, int obj)
{
	static const char *const needed[] = { "motherly_pubkey", "motherly_endpoint", "motherly_awg_ip", "jc", "jmin", "jmax",
					      "s1", "s2", "s4", "h1", "h2", "h3", "h4" };

	for (size_t i = 0; i < ARRAY_LEN(needed) && in->err == 0; i++) {
		int at = json_get(in->j, obj, needed[i]);
		enum json_type type = json_type_of(in->j, at);
		struct span raw = json_raw(in->j, at);

		if (at < 0 || type == JSON_NULL || (type == JSON_STRING && raw.n == 2))
			in_fail(in, ERR_MISSING, needed[i], " is missing beside awg.allocated_ip, so the mesh could not come up");
		else if (i >= 3 && type != JSON_NUMBER && type != JSON_STRING)
			in_fail(in, ERR_MALFORMED, needed[i], " is not a number");
	}
}

static void read_awg(struct node_in *up, struct node_awg *a)
{
	int obj = in_member(up, 0, "awg", JSON_OBJECT, " is not an object");
	struct node_in in = *up;
	char host[NODE_NAME_MAX] = "";
	uint16_t port;

	if (obj < 0)
		return;
	in.where = "awg.";
	check_awg(&in, obj);
	in_text(&in, obj, "allocated_ip", TEXT_PREFIX, a->allocated_ip, sizeof(a->allocated_ip));
	if (in.err == 0 && a->allocated_ip[0])
		need_awg(&in, obj);
	in_text(&in, obj, "motherly_pubkey", TEXT_KEY44, a->motherly_pubkey, sizeof(a->motherly_pubkey));
	read_endpoint(&in, obj, "motherly_endpoint", 0, host, &port);
	in_text(&in, obj, "motherly_endpoint", TEXT_WORD, a->motherly_endpoint, sizeof(a->motherly_endpoint));
	in_text(&in, obj, "motherly_awg_ip", TEXT_PREFIX, a->motherly_awg_ip, sizeof(a->motherly_awg_ip));
	in_text(&in, obj, "edge_id", TEXT_ID, a->edge_id, sizeof(a->edge_id));
	in_text(&in, obj, "otel_endpoint", TEXT_WORD, a->otel_endpoint, sizeof(a->otel_endpoint));
	up->err = in.err;
}

/* --- the roster -------------------------------------------------------------------------------------------------- */

/* A port that is none is the usual one: spec 2.4. */
static uint16_t peer_port(const struct json *j, int obj, const char *key, uint16_t dflt)
{
	struct node_diag ignored;
	struct node_in in = { .j = j, .diag = &ignored, .where = "" };
	uint16_t port = dflt;

	in_port(&in, obj, key, dflt, &port);
	return in.err ? dflt : port;
}

/* Peers beyond the bound and peers without a name or a host are left out: they cost a probe, not the node. */
static void read_roster(struct node_in *up, struct node *n)
{
	int arr = in_member(up, 0, "peer_roster", JSON_ARRAY, " is not an array");
	struct node_in in = *up;

	in.where = "peer_roster.";
	n->has_roster = arr >= 0;
	for (int at = json_first(in.j, arr); at >= 0 && in.err == 0 && n->n_peers < NODE_PEERS_MAX; at = json_next(in.j, arr, at)) {
		struct node_peer *p = &n->peer[n->n_peers];

		if (json_type_of(in.j, at) != JSON_OBJECT)
			in_fail(&in, ERR_MALFORMED, "*", " is not an object");
		in_text(&in, at, "node_id", TEXT_ID, p->node_id, sizeof(p->node_id));
		in_text(&in, at, "turns_host", TEXT_HOST, p->turns_host, sizeof(p->turns_host));
		p->turns_port = peer_port(in.j, at, "turns_port", TURNS_PORT);
		p->udp_port = peer_port(in.j, at, "udp_port", STUN_PORT);
		n->n_peers += p->node_id[0] && p->turns_host[0];
	}
	if (n->n_peers < NODE_PEERS_MAX)
		n->peer[n->n_peers] = (struct node_peer){ 0 };
	up->err = in.err;
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static int need(const struct node *n, struct node_diag *diag)
{
	const struct {
		const char *field;
		bool there;
		const char *why;
	} needed[] = {
		{ "node_id", n->node_id[0], "without it no report of this node is anybody's" },
		{ "backend_endpoint", n->backend_host[0], "without it there is no way to central" },
		{ "turn_secret", n->turn_secret.n, "without it nobody could use this node's relay" },
		{ "turns_subdomain", n->turns_subdomain[0], "without it TURN over port 443 has no name" },
		{ "reality_uuid", n->reality.uuid[0], "without it central refuses the tunnel" },
		{ "reality_public_key", n->reality.public_key[0], "without it the tunnel cannot tell central from others" },
		{ "reality_short_id", n->reality.short_id[0], "without it central takes the tunnel for a stranger" },
		{ "reality_encryption", n->reality.encryption[0],
		  "beside a public key that means a stale registry: central lost its setting, and the tunnel would fail without "
		  "a word" },
		{ "signaling_sfu_secret", n->signaling_sfu_secret.n, "browsers could not join group calls" },
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!needed[i].there)
			return DIAG(diag, ERR_MISSING, needed[i].field, needed[i].field, " is missing: ", needed[i].why,
				    "; ask central's admin to set it");
	}
	return 0;
}

static int parse(struct span doc, struct node_work *w, struct node_diag *diag)
{
	struct node_in in = { .diag = diag, .where = "" };
	struct node *n = &w->node;
	struct json j;
	char flat_encryption;
	int r;

	r = json_parse(doc, w->tok, NODE_TOKENS_MAX, &j);
	if (r == ERR_LIMIT)
		return DIAG(diag, r, "",
			    "the node document has more values than there is room for; ask central's admin what it sends");
	if (r < 0 || json_type_of(&j, 0) != JSON_OBJECT)
		return DIAG(diag, ERR_MALFORMED, "",
			    "the node document is no JSON object: it is cut off, or something between here and central answered "
			    "in its place");
	in.j = &j;
	read_flat(&in, n);
	flat_encryption = n->reality.encryption[0];
	node_channels_read(&in, 0, n);
	if (flat_encryption == '\0')
		n->reality.encryption[0] = '\0'; /* a channel's own setting does not make up for a registry that lost it */
	read_others(&in, n);
	read_awg(&in, &n->awg);
	read_roster(&in, n);
	return in.err ? in.err : need(n, diag);
}

int node_parse(struct span doc, struct node *ret, struct node_diag *diag)
{
	struct node_work *w;
	int r;

	*diag = (struct node_diag){ 0 };
	if (doc.n > NODE_DOC_MAX)
		return DIAG(diag, ERR_LIMIT, "", "the node document is larger than 256 KiB; ask central's admin what it sends");
	w = mem_alloc(sizeof(*w));
	if (!w)
		return DIAG(diag, ERR_NOMEM, "", "no memory to read the node document");
	r = parse(doc, w, diag);
	if (r == 0)
		memcpy(ret, &w->node, sizeof(*ret));
	wipe(&w->node, sizeof(w->node));
	mem_free(w);
	return r;
}

void node_done(struct node *n)
{
	wipe(n, sizeof(*n));
}

uint32_t node_sni_pool(const struct node *n, const char *ret[NODE_SNI_MAX])
{
	const struct node_reality *r = &n->reality;

	for (uint32_t i = 0; i < r->n_server_names; i++)
		ret[i] = r->server_names[i];
	if (r->n_server_names || r->server_name[0] == '\0')
		return r->n_server_names;
	ret[0] = r->server_name;
	return 1;
}
