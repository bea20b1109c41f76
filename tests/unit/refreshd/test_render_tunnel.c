/* SPDX-License-Identifier: AGPL-3.0-only */
#include "render_rig.h"

#define POOL "\n[Pool]\nWeb=/run/oxpulse-partner-edge/web\nWs=/run/oxpulse-partner-edge/ws\n"
#define HEAD "# Written by refreshd. Own settings belong into tunneld.conf.d/*.conf, which nobody overwrites.\n"

static int with_channels(const char *channels)
{
	struct local l = rig_local();
	char text[4096];

	snprintf(text, sizeof(text), "\"channels\":%s,\"was\":[", channels);
	return rig_render("\"channels\":[", text, &l);
}

/* A mesh address comes with a length behind it, too. */
static void the_mesh_and_what_is_left_out(void)
{
	struct local l = rig_local();
	static const char *const ips[] = { "10.9.0.2", "10.9.0.2/24", "10.9.0.2/32" };
	char text[64];

	l.backend_port = 8908;
	strcpy(l.backend_host, "central.example");
	for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
		t_row = ips[i];
		snprintf(text, sizeof(text), "\"motherly_awg_ip\":\"%s\"", ips[i]);
		EQ(rig_render("\"motherly_awg_ip\":\"10.9.0.2\"", text, &l), 0);
		EQ_SPAN(rig_find(&rig_set, "tunneld.conf"),
			SPAN_LIT(HEAD "# Channels that this build does not carry: ch1 (vless-reality), ch3 (hysteria2).\n" POOL
				      "WebOrder=ch2\nWsOrder=ch2\nHealthHost=central.example\n"
				      "\n[Channel1]\nName=ch2\nType=tcp\nAddress=10.9.0.2:8908\n"));
	}
	EQ(rig_render("\"awg\":{", "\"was\":{", &l), 0);
	EQ_SPAN(rig_find(&rig_set, "tunneld.conf"),
		SPAN_LIT(HEAD "# Channels that this build does not carry: ch1 (vless-reality), ch3 (hysteria2).\n" POOL
			      "HealthHost=central.example\n"));
	OK(!rig_has("healthd.conf", "Channels="));
}

static void orders(void)
{
	static const struct {
		const char *channels, *web, *ws;
	} rows[] = {
		{ "[{\"id\":\"ch3-x\",\"protocol\":\"tcp\",\"host\":\"10.0.0.3\",\"port\":3},{\"id\":\"ch1-acme\",\"protocol\":"
		  "\"tcp\","
		  "\"host\":\"10.0.0.1\",\"port\":1}]",
		  "ch2 ch1 ch3", "ch1 ch2 ch3" },
		{ "[{\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"lab\",\"protocol\":\"tcp\",\"host\":\"10.0."
		  "0.1\",\"port\":2}]",
		  "ch2 ch0 lab", "ch2 ch0 lab" },
		{ "[{\"id\":\"ch1-a\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"ch1-b\",\"protocol\":"
		  "\"tcp\","
		  "\"host\":\"10.0.0.2\",\"port\":1}]",
		  "ch2 ch1 ch1-b", "ch1 ch1-b ch2" },
		{ "[{\"id\":\"ch2\",\"protocol\":\"tcp\",\"host\":\"fd00::1\",\"port\":1}]", "ch2", "ch2" },
		{ "[]", "ch2", "ch2" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char want[200];

		t_row = rows[i].channels;
		EQ(with_channels(rows[i].channels), 0);
		snprintf(want, sizeof(want), "WebOrder=%s\nWsOrder=%s\n", rows[i].web, rows[i].ws);
		OK(rig_has("tunneld.conf", want));
		snprintf(want, sizeof(want), "Channels=%s\n", rows[i].web);
		OK(rig_has("healthd.conf", want));
	}
	EQ(with_channels(rows[3].channels), 0);
	OK(rig_has("tunneld.conf", "[Channel1]\nName=ch2\nType=tcp\nAddress=[fd00::1]:1\n"));
	OK(!rig_has("tunneld.conf", "[Channel2]"));
}

static void what_is_refused(void)
{
	static const struct {
		const char *channels;
		int err;
	} rows[] = {
		{ "[{\"id\":\"Upper\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1}]", ERR_MALFORMED },
		{ "[{\"id\":\"a.b\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1}]", ERR_MALFORMED },
		{ "[{\"id\":\"ch1\",\"protocol\":\"tcp\",\"host\":\"name.example\",\"port\":1}]", ERR_MALFORMED },
		{ "[{\"id\":\"ch1\",\"protocol\":\"tcp\",\"host\":\"0.0.0.0\",\"port\":1}]", ERR_MALFORMED },
		{ "[{\"id\":\"ch1\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"ch1\",\"protocol\":\"tcp\","
		  "\"host\":\"10.0.0.1\",\"port\":1}]",
		  ERR_MALFORMED },
		{ "[{\"id\":\"a\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"b\",\"protocol\":\"tcp\","
		  "\"host\":\"10.0.0.1\","
		  "\"port\":1},{\"id\":\"c\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"d\",\"protocol\":"
		  "\"tcp\","
		  "\"host\":\"10.0.0.1\",\"port\":1},{\"id\":\"e\",\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1},{"
		  "\"id\":\"f\","
		  "\"protocol\":\"tcp\",\"host\":\"10.0.0.1\",\"port\":1}]",
		  ERR_LIMIT }, /* and the mesh */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].channels;
		EQ(with_channels(rows[i].channels), rows[i].err);
		EQ_STR(rig_diag.field, "channels");
	}
}

static void channels_of_flat_members(void)
{
	struct local l = rig_local();

	EQ(with_channels("[]"), 0);
	OK(rig_has("tunneld.conf", "does not carry: ch1 (vless-reality), ch3 (hysteria2).\n"));
	EQ(rig_render("\"config_version\":1", "\"naive_server\":\"n.example\"", &l), 0);
	OK(rig_has("tunneld.conf", "does not carry: ch1 (vless-reality), ch3 (hysteria2), ch5 (naive).\n"));
	EQ(with_channels("[{\"id\":\"ch9\"}]"), 0);
	OK(rig_has("tunneld.conf", "does not carry: ch9 (no protocol), ch3 (hysteria2).\n"));
}

T_MAIN(T(the_mesh_and_what_is_left_out), T(orders), T(what_is_refused), T(channels_of_flat_members))
