/* SPDX-License-Identifier: AGPL-3.0-only */
/* A node document as central sends it (spec: control plane 1.1), and the same with one place of its text changed. */
#ifndef TESTS_REFRESHD_RIG_H
#define TESTS_REFRESHD_RIG_H

#include "refreshd/node/local.h"
#include "refreshd/node/node.h"
#include "t.h"

#define RIG_KEY43 "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs"
#define RIG_KEY44 "YsZqel3XDDFGYYBjw0TlMebUtZ43mAhEPOlis6vWPFo="

static const char rig_doc[] =
	"{\"node_id\":\"acme-0a1b2c3d4e5f\",\"backend_endpoint\":\"203.0.113.10:5349\",\"turn_secret\":\"turn-s3cret\",\n"
	" \"turns_subdomain\":\"api-0a1b2c3d4e5f\",\"reality_uuid\":\"5a1c3c64-1f5e-4a37-9d0e-1b1f9a4f2b11\","
	"\"reality_public_key\":\"" RIG_KEY43 "\",\n"
	" \"reality_short_id\":\"abcd1234\",\"reality_server_name\":\"www.example.com\",\n"
	" \"reality_server_names\":[\"www.example.com\",\"cdn.example.net\"],\n"
	" \"reality_encryption\":\"mlkem768x25519plus.native.0rtt.XXXX\",\"config_version\":1,\n"
	" \"signaling_sfu_secret\":\"sfu-s3cret\",\"service_token\":\"stkn_abc\",\"hysteria2_server\":\"203.0.113.10:51822\",\n"
	" \"channels\":[{\"id\":\"ch1\",\"protocol\":\"vless-reality\",\"host\":\"203.0.113.10\",\"port\":5349,\n"
	"   \"xray\":{\"uuid\":\"5a1c3c64-1f5e-4a37-9d0e-1b1f9a4f2b11\",\"encryption\":\"mlkem768x25519plus.native.0rtt.XXXX\",\n"
	"           \"public_key\":\"" RIG_KEY43 "\",\"short_id\":\"abcd1234\",\n"
	"           \"server_names\":[\"www.example.com\"]}},\n"
	"  {\"id\":\"ch3\",\"protocol\":\"hysteria2\",\"host\":\"203.0.113.10\",\"port\":51822}],\n"
	" \"awg\":{\"allocated_ip\":\"10.9.0.7/32\",\"motherly_pubkey\":\"" RIG_KEY44
	"\",\"motherly_endpoint\":\"203.0.113.10:51820\",\n"
	"   \"motherly_awg_ip\":\"10.9.0.2\",\"edge_id\":\"acme7\",\"otel_endpoint\":\"http://10.9.0.2:4317\",\n"
	"   \"jc\":4,\"jmin\":50,\"jmax\":150,\"s1\":20,\"s2\":31,\"s4\":18,\"h1\":100000,\"h2\":\"200000-200100\","
	"   \"h3\":300000,\"h4\":400000},\n"
	" \"peer_roster\":[{\"node_id\":\"peer-1\",\"turns_host\":\"api-x.peer.example\",\"turns_port\":443}],\n"
	" \"cross_probe_token\":\"xprb_abc\",\"future\":{\"x\":[1, 2.50, \"\\u0041\"]}}";

/* The document with the first occurrence of `from` replaced; valid until the next call. */
static inline struct span rig_with(const char *from, const char *to)
{
	static char text[NODE_DOC_MAX + 1];
	const char *at = strstr(rig_doc, from);
	struct wr w = wr_from(text, sizeof(text));

	if (!at) {
		t_fail(__FILE__, __LINE__, from);
		return span_str(rig_doc);
	}
	wr_bytes(&w, rig_doc, (size_t)(at - rig_doc));
	wr_str(&w, to);
	wr_str(&w, at + strlen(from));
	OK(!w.bad);
	return wr_span_of(&w);
}

static inline struct local rig_local(void)
{
	struct local l;

	local_defaults(&l);
	strcpy(l.partner_id, "acme");
	strcpy(l.domain, "call.partner.example");
	strcpy(l.public_ip, "198.51.100.7");
	return l;
}

#endif
