/* SPDX-License-Identifier: AGPL-3.0-only */
#include "render_rig.h"

static void the_nodes_own_names_are_filled_in(void)
{
	struct local l = rig_local();
	struct span s;

	strcpy(l.backend_host, "central.example");
	EQ(rig_render("node_id", "node_id", &l), 0);
	EQ_STR(rig_diag.text, "");
	s = rig_find(&rig_set, "front/nginx.conf");
	OK(s.n > 0 && !memchr(s.p, '@', s.n));
	for (size_t i = 0; i < s.n; i++)
		OK(s.p[i] == '\n' || s.p[i] >= 0x20);
	OK(rig_has("front/nginx.conf", "api-0a1b2c3d4e5f.call.partner.example turns;\n"));
	OK(rig_has("front/nginx.conf", "server_name call.partner.example;"));
	OK(rig_has("front/nginx.conf", "\"central.example\""));
	OK(rig_has("front/nginx.conf", "unix:/run/oxpulse-partner-edge/web;"));
	OK(rig_has("front/nginx.conf", "unix:/run/oxpulse-partner-edge/ws;"));
	OK(rig_has("front/nginx.conf", "listen unix:/run/oxpulse-front/cover.sock proxy_protocol;"));
	OK(rig_has("front/nginx.conf", "ssl_certificate /etc/oxpulse-partner-edge/front/tls/fullchain.pem;"));
}

static void a_fault_of_the_template_is_named_with_its_line(void)
{
	static char arena[RENDER_BYTES_MAX];
	struct wr w = wr_from(arena, sizeof(arena));
	struct local l = rig_local();
	struct render_in in;

	EQ(node_parse(span_str(rig_doc), &rig_node, &rig_diag), 0);
	in = rig_in(&rig_node, &l);
	in.front_template = SPAN_LIT("a;\nb {\n");
	EQ(render_all(&in, &w, &rig_set, &rig_diag), 0);
	in.front_template = SPAN_LIT("a;\nb {\n x\x40;\n");
	EQ(render_all(&in, &w, &rig_set, &rig_diag), ERR_MALFORMED);
	OK(strstr(rig_diag.text, "nginx.conf.in:3: a stray") != NULL);
	in.front_template = SPAN_LIT("a;\n");
	in.node_values = SPAN_LIT("TYPO=1\n");
	EQ(render_all(&in, &w, &rig_set, &rig_diag), ERR_MALFORMED);
	OK(strstr(rig_diag.text, "node.values:1: TYPO is not a value") != NULL);
}

T_MAIN(T(the_nodes_own_names_are_filled_in), T(a_fault_of_the_template_is_named_with_its_line))
