/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd_rig.h"

#define MUST_HAVE "PARTNER_ID=acme\nPARTNER_DOMAIN=call.partner.example\n"

static struct local l;
static struct node_diag diag;

static void defaults_and_what_a_file_changes(void)
{
	local_defaults(&l);
	EQ_STR(l.central_url, LOCAL_CENTRAL_DEFAULT);
	EQ_STR(l.backend_host, "oxpulse.chat");
	EQ(l.sfu_udp_port, 7878);
	EQ(l.sfu_metrics_port, 9317);
	EQ(l.backend_port, 8907);
	EQ(local_parse(SPAN_LIT("# install.env\n\nSCHEMA_VERSION=1\n" MUST_HAVE "NODE_ID='acme-0a1b'\r\nTUNNEL=vless\n"
				"  BACKEND_API=\"https://central.example///\"  # ours\nPUBLIC_IP=192.0.2.1\nPUBLIC_IP=192.0.2.2\n"
				"PRIVATE_IP=\nSFU_UDP_PORT=7000\nBACKEND_CA=/etc/ca.pem\nREGION=pl-'waw'\nUNKNOWN=$(rm -rf /)"),
		       &l, &diag),
	   0);
	EQ_STR(l.node_id, "acme-0a1b");
	EQ_STR(l.central_url, "https://central.example");
	EQ_STR(l.public_ip, "192.0.2.2");
	EQ_STR(l.private_ip, "");
	EQ_STR(l.region, "pl-waw");
	EQ_STR(l.central_ca, "/etc/ca.pem");
	EQ(l.sfu_udp_port, 7000);
	EQ(l.sfu_metrics_port, 9317);
}

static void central_in_clear_is_for_tests_only(void)
{
	static const struct {
		const char *url;
		bool ok;
	} rows[] = {
		{ "https://a.example", true },
		{ "https://192.0.2.1:8443", true },
		{ "https://", false },
		{ "https:///x", false },
		{ "http://a.example", false },
		{ "http://8.8.8.8", false },
		{ "http://8.8.8.8:80", false },
		{ "http://127.0.0.1:8080", true },
		{ "http://[::1]:8080", true },
		{ "http://10.1.2.3:80", true },
		{ "http://localhost:80", true },
		{ "http://localhost", true },
		{ "http://127.0.0.1:80@evil.example", false },
		{ "ftp://a", false },
		{ "a.example", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[200];

		t_row = rows[i].url;
		snprintf(text, sizeof(text), MUST_HAVE "BACKEND_API=%s\n", rows[i].url);
		EQ(local_parse(span_str(text), &l, &diag), rows[i].ok ? 0 : ERR_MALFORMED);
		EQ_STR(diag.field, rows[i].ok ? "" : "BACKEND_API");
	}
}

static void what_is_refused(void)
{
	static const struct {
		const char *text, *field;
		int err;
	} rows[] = {
		{ "", "PARTNER_DOMAIN", ERR_MISSING },
		{ "PARTNER_ID=acme\n", "PARTNER_DOMAIN", ERR_MISSING },
		{ "PARTNER_DOMAIN=a.example\n", "PARTNER_ID", ERR_MISSING },
		{ "PARTNER_DOMAIN=a.example\nNODE_ID=nodash\n", "PARTNER_ID", ERR_MISSING },
		{ MUST_HAVE "nonsense\n", "", ERR_MALFORMED },
		{ MUST_HAVE "=x\n", "", ERR_MALFORMED },
		{ MUST_HAVE "A B=x\n", "", ERR_MALFORMED },
		{ MUST_HAVE "1A=x\n", "", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID=a b\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID='a\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID=$(id)\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID=\"`id`\"\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID=a\\\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID='a;b'\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "NODE_ID='\x01'\n", "NODE_ID", ERR_MALFORMED },
		{ MUST_HAVE "PUBLIC_IP=10.0.0.1/24\n", "PUBLIC_IP", ERR_MALFORMED },
		{ MUST_HAVE "PUBLIC_IP=host\n", "PUBLIC_IP", ERR_MALFORMED },
		{ MUST_HAVE "SFU_UDP_PORT=0\n", "SFU_UDP_PORT", ERR_MALFORMED },
		{ MUST_HAVE "SFU_METRICS_PORT=70000\n", "SFU_METRICS_PORT", ERR_MALFORMED },
		{ MUST_HAVE "BACKEND_PORT=x\n", "BACKEND_PORT", ERR_MALFORMED },
		{ MUST_HAVE "BACKEND_HOST=a/b\n", "BACKEND_HOST", ERR_MALFORMED },
		{ MUST_HAVE "BACKEND_CA=ca.pem\n", "BACKEND_CA", ERR_MALFORMED },
		{ MUST_HAVE "SCHEMA_VERSION=2\n", "SCHEMA_VERSION", ERR_MALFORMED },
		{ "PARTNER_ID=acme\nPARTNER_DOMAIN=a..b\n", "PARTNER_DOMAIN", ERR_MALFORMED },
	};
	static char big[LOCAL_ENV_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t_row = rows[i].text;
		EQ(local_parse(span_str(rows[i].text), &l, &diag), rows[i].err);
		EQ_STR(diag.field, rows[i].field);
		OK(diag.text[0]);
		OK(!strstr(diag.text, "id)"));
	}
	t_row = "";
	EQ(local_parse(SPAN_LIT("A=1\n\nB\n"), &l, &diag), ERR_MALFORMED);
	OK(strstr(diag.text, "line 3 ") != NULL);
	EQ(local_parse(span_of(big, sizeof(big)), &l, &diag), ERR_LIMIT);
}

static void a_partner_by_its_node(void)
{
	EQ(local_parse(SPAN_LIT("PARTNER_DOMAIN=a.example\nNODE_ID=big-co-0a1b2c3d4e5f\n"), &l, &diag), 0);
	EQ_STR(l.partner_id, "big-co");
}

static void lines_of_others_survive(void)
{
	char out[1024];
	struct wr w = wr_from(out, sizeof(out));

	l = rig_local();
	strcpy(l.node_id, "acme-1");
	strcpy(l.private_ip, "10.0.0.1");
	l.public_ip[0] = '\0';
	EQ(local_write(&l, SPAN_LIT("# mine\nTUNNEL=vless\nNODE_ID=old\nNODE_ID=older\nPUBLIC_IP=1.1.1.1\n\nCADDYFILE_SHA='x y'"),
		       &w),
	   0);
	EQ_SPAN(wr_span_of(&w),
		SPAN_LIT("# mine\nTUNNEL=vless\nNODE_ID=acme-1\nPUBLIC_IP=\n\nCADDYFILE_SHA='x y'\n"
			 "SCHEMA_VERSION=1\nPARTNER_ID=acme\n"
			 "PARTNER_DOMAIN=call.partner.example\nBACKEND_API=https://api.oxpulse.chat\nPRIVATE_IP=10.0.0.1\n"
			 "SFU_UDP_PORT=7878\nSFU_METRICS_PORT=9317\nBACKEND_PORT=8907\nBACKEND_HOST=oxpulse.chat\n"));
}

static void what_is_written_reads_back(void)
{
	struct local again;
	char out[2048];
	struct wr w = wr_from(out, sizeof(out));

	l = rig_local();
	strcpy(l.central_ca, "/etc/ca (1).pem");
	EQ(local_write(&l, SPAN_LIT(""), &w), 0);
	EQ(local_parse(wr_span_of(&w), &again, &diag), ERR_MALFORMED); /* a path with blanks is not taken */
	strcpy(l.central_ca, "/etc/ca(1).pem");
	w = wr_from(out, sizeof(out));
	EQ(local_write(&l, SPAN_LIT(""), &w), 0);
	EQ(local_parse(wr_span_of(&w), &again, &diag), 0);
	EQ_STR(again.central_ca, l.central_ca);
	EQ_STR(again.domain, l.domain);
	EQ_STR(again.public_ip, l.public_ip);
	w = wr_from(out, 20);
	EQ(local_write(&l, SPAN_LIT(""), &w), ERR_LIMIT);
	strcpy(l.region, "a'b");
	w = wr_from(out, sizeof(out));
	EQ(local_write(&l, SPAN_LIT(""), &w), ERR_MALFORMED);
	strcpy(l.region, "a\nb");
	w = wr_from(out, sizeof(out));
	EQ(local_write(&l, SPAN_LIT(""), &w), ERR_MALFORMED);
}

T_MAIN(T(defaults_and_what_a_file_changes), T(central_in_clear_is_for_tests_only), T(what_is_refused), T(a_partner_by_its_node),
       T(lines_of_others_survive), T(what_is_written_reads_back))
