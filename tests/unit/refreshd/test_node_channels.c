/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/node/node_channels.h"
#include "refreshd_rig.h"

static struct node node;
static struct node_diag diag;

static int parse(const char *channels)
{
	static char text[8192];

	snprintf(text, sizeof(text), "\"channels\":%s,\"was\":[", channels);
	return node_parse(rig_with("\"channels\":[", text), &node, &diag);
}

static void ids_and_kinds(void)
{
	static const struct {
		const char *channel, *id;
		enum channel_kind kind;
	} rows[] = {
		{ "{\"protocol\":\"vless-reality\",\"host\":\"h\",\"port\":1}", "ch1", CHANNEL_REALITY },
		{ "{\"id\":\"\",\"protocol\":\"hysteria2\"}", "ch3", CHANNEL_HYSTERIA2 },
		{ "{\"id\":null,\"protocol\":\"naive\"}", "ch0", CHANNEL_NAIVE }, /* not ch5: spec 2.2 */
		{ "{\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":\"80\"}", "ch0", CHANNEL_TCP },
		{ "{\"protocol\":\"tomorrow\"}", "ch0", CHANNEL_OTHER },
		{ "{}", "ch0", CHANNEL_OTHER },
		{ "{\"id\":\"ch1-acme\",\"protocol\":\"hysteria2\"}", "ch1-acme", CHANNEL_HYSTERIA2 },
	};
	char list[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].channel;
		snprintf(list, sizeof(list), "[%s]", rows[i].channel);
		EQ(parse(list), 0);
		EQ(node.n_channels, 1);
		EQ_STR(node.channel[0].id, rows[i].id);
		EQ(node.channel[0].kind, rows[i].kind);
	}
}

static void only_the_first_reality_channel_overrides(void)
{
	EQ(parse("[{\"id\":\"ch1\",\"protocol\":\"vless-reality\",\"host\":\"192.0.2.9\",\"port\":444,"
		 "\"xray\":{\"short_id\":\"ffff\",\"server_name\":\"one.example\"}},"
		 "{\"id\":\"ch4\",\"protocol\":\"vless-reality\",\"xray\":{\"short_id\":\"eeee\"}}]"),
	   0);
	EQ_STR(node.reality.short_id, "ffff");
	EQ_STR(node.reality.server_name, "one.example");
	EQ_STR(node.reality.public_key, RIG_KEY43);
	EQ(node.reality.n_server_names, 2);
	EQ_STR(node.backend_host, "203.0.113.10");
	EQ_STR(node.channel[0].host, "192.0.2.9");
	EQ(node.channel[0].port, 444);
	EQ_STR(node.channel[1].host, "203.0.113.10"); /* none given: backend_endpoint */
	EQ(node.channel[1].port, 5349);
	OK(node.channel[1].has_reality);
	EQ_STR(node.channel[1].reality.short_id, "eeee");
	EQ(parse("[{\"protocol\":\"hysteria2\",\"xray\":{\"short_id\":\"ffff\"}}]"), 0);
	EQ_STR(node.reality.short_id, "abcd1234");
	EQ(parse("[]"), 0);
	EQ(node.n_channels, 0);
	EQ(parse("null"), 0);
}

static void what_is_refused(void)
{
	static const struct {
		const char *channels, *field;
		int err;
	} rows[] = {
		{ "{}", "channels", ERR_MALFORMED },
		{ "[1]", "channels[0].*", ERR_MALFORMED },
		{ "[{},{\"id\":\"a\\nb\"}]", "channels[1].id", ERR_MALFORMED },
		{ "[{\"id\":\"../x\"}]", "channels[0].id", ERR_MALFORMED },
		{ "[{\"id\":\"ch1234567890123456789012345678901\"}]", "channels[0].id", ERR_MALFORMED },
		{ "[{\"protocol\":\"a b\"}]", "channels[0].protocol", ERR_MALFORMED },
		{ "[{\"host\":\"a b\"}]", "channels[0].host", ERR_MALFORMED },
		{ "[{\"port\":0}]", "channels[0].port", ERR_MALFORMED },
		{ "[{\"port\":\"x\"}]", "channels[0].port", ERR_MALFORMED },
		{ "[{\"port\":1.5}]", "channels[0].port", ERR_MALFORMED },
		{ "[{\"protocol\":\"tcp\",\"port\":1}]", "channels[0].host", ERR_MISSING },
		{ "[{\"protocol\":\"tcp\",\"host\":\"10.0.0.1\"}]", "channels[0].port", ERR_MISSING },
		{ "[{\"xray\":[]}]", "channels[0].xray", ERR_MALFORMED },
		{ "[{\"xray\":{\"public_key\":\"x\"}}]", "channels[0].xray.public_key", ERR_MALFORMED },
		{ "[{\"xray\":{\"encryption\":\"a\\nb\"}}]", "channels[0].xray.encryption", ERR_MALFORMED },
		{ "[{\"xray\":{\"server_names\":[\"a\",\"b c\"]}}]", "channels[0].xray.server_names[1]", ERR_MALFORMED },
		{ "[{},{},{},{},{},{},{},{},{}]", "channels", ERR_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].channels;
		EQ(parse(rows[i].channels), rows[i].err);
		EQ_STR(diag.field, rows[i].field);
	}
}

static void a_pool_has_a_bound(void)
{
	char list[1024] = "[{\"xray\":{\"server_names\":[\"a\"";

	for (int i = 0; i < NODE_SNI_MAX; i++)
		strcat(list, ",\"b\"");
	strcat(list, "]}}]");
	EQ(parse(list), ERR_LIMIT);
	EQ_STR(diag.field, "channels[0].xray.server_names[32]");
}

T_MAIN(T(ids_and_kinds), T(only_the_first_reality_channel_overrides), T(what_is_refused), T(a_pool_has_a_bound))
