/* SPDX-License-Identifier: AGPL-3.0-only */
#include <stddef.h>

#include "render_rig.h"
#include "wire/conf.h"

/* Their headers do not go together: each daemon has an enum drop of its own. */
extern const struct conf_key sfud_keys[], turnd_keys[], tunneld_keys[], healthd_keys[];

#define HEAD(file)                                                                                                      \
	"# Written by refreshd for node acme-0a1b2c3d4e5f. Own settings belong into " file ".d/*.conf, which nobody overwrites.\n"

static void on_a_public_address(void)
{
	struct local l = rig_local();

	EQ(rig_render("node_id", "node_id", &l), 0);
	EQ_SPAN(rig_find(&rig_set, "sfud.conf"),
		SPAN_LIT(HEAD("sfud.conf") "\n[Media]\nPort=7878\nPublicAddress=198.51.100.7\n\n[Signal]\nSecretFile=sfu-secret\n"
					   "\n[Metrics]\nPort=9317\nEdgeId=acme7\n"));
	EQ_SPAN(rig_find(&rig_set, "turnd.conf"),
		SPAN_LIT(HEAD("turnd.conf") "\n[Server]\nRealm=call.partner.example\nSecretFile=turn-secret\n"
					    "Certificate=/etc/oxpulse-partner-edge/front/tls/fullchain.pem\n"
					    "PrivateKey=/etc/oxpulse-partner-edge/front/tls/privkey.pem\n"
					    "TurnsSocket=/run/oxpulse-partner-edge/turns.sock\n"
					    "CoverSocket=/run/oxpulse-front/cover.sock\n"
					    "CoverH2Socket=/run/oxpulse-front/cover-h2.sock\n"
					    "\n[Policy]\nAllowPeer=198.51.100.7\nUserQuota=16\nTotalQuota=250\nMaxBps=250000\n"
					    "TotalBps=25000000\n"));
	EQ_SPAN(rig_find(&rig_set, "healthd.conf"),
		SPAN_LIT(HEAD("healthd.conf") "\n[Node]\nId=acme-0a1b2c3d4e5f\nPartnerId=acme\nDomain=call.partner.example\n"
					      "TurnsName=api-0a1b2c3d4e5f.call.partner.example\n"
					      "StateDirectory=/var/lib/oxpulse-partner-edge\n"
					      "ConfigDirectory=/etc/oxpulse-partner-edge\n"
					      "\n[Central]\nUrl=https://api.oxpulse.chat\nTokenFile=service-token\n"
					      "CrossProbeTokenFile=cross-probe-token\n"
					      "\n[Probe]\nChannels=ch2\nChannelHost=oxpulse.chat\nTurnAddress=198.51.100.7:3478\n"
					      "TurnSecretFile=turn-secret\nSfuSecretFile=sfu-secret\n"
					      "\n[Http]\nListen=127.0.0.1:9640 10.9.0.7:9640\n"));
}

/* Clouds whose public address is not on the host, and whose router does not send it back. */
static void behind_a_nat(void)
{
	struct local l = rig_local();

	strcpy(l.private_ip, "10.0.0.5");
	l.sfu_udp_port = 7000;
	EQ(rig_render("acme7", "", &l), 0);
	OK(rig_has("sfud.conf", "Port=7000\nPublicAddress=198.51.100.7\nLocalAddress=10.0.0.5\n"));
	OK(rig_has("sfud.conf", "EdgeId=acme1\n"));
	OK(rig_has("turnd.conf", "RelayAddress=10.0.0.5\nExternalAddress=198.51.100.7\n"));
	OK(rig_has("turnd.conf", "AllowPeer=10.0.0.5\nAllowPeer=198.51.100.7\n"));
	OK(rig_has("healthd.conf", "TurnAddress=10.0.0.5:3478\n"));
	OK(rig_has("healthd.conf", "SfuMedia=10.0.0.5:7000\n"));
	strcpy(l.private_ip, "100.64.0.5"); /* of a carrier: sfud offers private ones only */
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(!rig_has("sfud.conf", "LocalAddress"));
	OK(rig_has("turnd.conf", "RelayAddress=100.64.0.5\n"));
	strcpy(l.private_ip, "198.51.100.7"); /* the same: no NAT */
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(!rig_has("turnd.conf", "RelayAddress"));
	strcpy(l.private_ip, "fd00::5"); /* the other family says nothing about it */
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(!rig_has("turnd.conf", "RelayAddress"));
	strcpy(l.public_ip, "127.0.0.1");
	l.private_ip[0] = '\0';
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(!rig_has("turnd.conf", "AllowPeer"));
	strcpy(l.public_ip, "2001:db8::7");
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(rig_has("healthd.conf", "TurnAddress=[2001:db8::7]:3478\n"));
}

static void central_is_said_once(void)
{
	struct local l = rig_local();

	strcpy(l.central_url, "https://central.example:8443");
	strcpy(l.central_ca, "/etc/ca.pem");
	EQ(rig_render("node_id", "node_id", &l), 0);
	OK(rig_has("healthd.conf", "Url=https://central.example:8443\nCaFile=/etc/ca.pem\n"));
	memset(l.central_url, 'x', 299);
	l.central_url[299] = '\0';
	EQ(rig_render("node_id", "node_id", &l), ERR_MALFORMED);
	EQ_STR(rig_diag.field, "BACKEND_API");
	strcpy(l.central_url, "https://x\\");
	EQ(rig_render("node_id", "node_id", &l), ERR_MALFORMED);
	strcpy(l.central_url, "https://x\ny");
	EQ(rig_render("node_id", "node_id", &l), ERR_MALFORMED);
}

/* A name that no daemon knows would stop it. */
static void the_daemons_know_every_key(void)
{
	static _Alignas(max_align_t) char c[1 << 20]; /* larger than any of their structs */
	static const struct {
		const char *path;
		const struct conf_key *keys;
	} rows[] = {
		{ "sfud.conf", sfud_keys },
		{ "turnd.conf", turnd_keys },
		{ "tunneld.conf", tunneld_keys },
		{ "healthd.conf", healthd_keys },
	};
	struct local l = rig_local();

	strcpy(l.private_ip, "10.0.0.5");
	strcpy(l.central_ca, "/etc/ca.pem");
	EQ(rig_render("\"protocol\":\"hysteria2\"", "\"protocol\":\"tcp\"", &l), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf_diag d = { .text = "" };

		memset(c, 0, sizeof(c));
		EQ(conf_defaults(rows[i].keys, c, &d), 0);
		EQ(conf_apply(rows[i].keys, rows[i].path, rig_find(&rig_set, rows[i].path), c, &d), 0);
		EQ_STR(d.text, "");
	}
}

T_MAIN(T(on_a_public_address), T(behind_a_nat), T(central_is_said_once), T(the_daemons_know_every_key))
