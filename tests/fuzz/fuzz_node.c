/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * A document is understood the same way twice, with new keys patched in too. Whatever is rendered of it has lines of text only: no
 * control character but line ends, and a line of a configuration is a section, a comment or a key the program wrote. A refusal has
 * printable words.
 */
#include "fuzz.h"
#include "refreshd/node/doc.h"
#include "refreshd/render/render.h"

#define PATCHED_MAX (64 * 1024)

static struct node node, again;
static uint8_t arena[RENDER_BYTES_MAX];

static void must_explain(const struct node_diag *d)
{
	MUST(d->text[0] && memchr(d->text, 0, sizeof(d->text)) && memchr(d->field, 0, sizeof(d->field)));
	for (const char *c = d->text; *c; c++)
		MUST(*c >= 0x20 && *c < 0x7f);
}

static void must_be_lines(const struct render_file *f)
{
	bool conf = strstr(f->path, ".conf") && !strchr(f->path, '/');
	struct span s = f->text;

	for (size_t i = 0; i < s.n; i++)
		MUST((s.p[i] >= 0x20 && s.p[i] != 0x7f) || (s.p[i] == '\n' && !f->secret));
	for (size_t at = 0, end; conf && at < s.n; at = end + 1) {
		for (end = at; end < s.n && s.p[end] != '\n';)
			end++;
		if (end == at || s.p[at] == '#' || (s.p[at] == '[' && s.p[end - 1] == ']'))
			continue;
		MUST(s.p[at] >= 'A' && s.p[at] <= 'Z' && memchr(s.p + at, '=', end - at) && s.p[end - 1] != '\\');
	}
}

static void render(const char *public_ip)
{
	struct render_set set;
	struct node_diag d;
	struct local l;
	struct wr w = wr_from(arena, sizeof(arena));
	struct render_in in = {
		.node = &node, .local = &l, .sfu_pem = "", .nginx_version = "1.22.1", .ipv6 = true,
		.front_template = SPAN_LIT("server_name @" "DOMAIN@;\n@?TURNS_NAME@ x @" "TURNS_NAME@;\n@" "UPSTREAM_HOST@;\n"),
		.front_values = SPAN_LIT("DOMAIN?=\nTURNS_NAME?=\nUPSTREAM_HOST?=\n"),
	};

	local_defaults(&l);
	strcpy(l.public_ip, public_ip);
	strcpy(l.private_ip, "10.0.0.5");
	if (node.domain[0] == '\0')
		strcpy(l.domain, "a.example");
	if (node.partner_id[0] == '\0')
		strcpy(l.partner_id, "acme");
	if (render_all(&in, &w, &set, &d) < 0) {
		must_explain(&d);
		return;
	}
	for (uint32_t i = 0; i < set.n; i++)
		must_be_lines(&set.file[i]);
}

static void must_survive_new_keys(struct span doc)
{
	static const struct doc_set set[] = {
		{ "reality_public_key", { (const uint8_t *)"\"ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs\"", 45 } },
		{ "reality_encryption", { (const uint8_t *)"\"none\"", 6 } },
		{ "reality_server_names", { (const uint8_t *)"[\"a.example\"]", 13 } },
	};
	static uint8_t out[PATCHED_MAX];
	struct wr w = wr_from(out, sizeof(out));
	struct node_diag d;

	if (doc_patch(doc, set, ARRAY_LEN(set), &w) < 0)
		return; /* too large for here */
	MUST(node_parse(wr_span_of(&w), &again, &d) == 0);
	MUST(strcmp(again.node_id, node.node_id) == 0 && again.n_channels == node.n_channels && again.n_peers == node.n_peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct node_diag d;

	if (node_parse(span_of(data, n), &node, &d) < 0) {
		must_explain(&d);
		return 0;
	}
	MUST(node_parse(span_of(data, n), &again, &d) == 0);
	MUST(memcmp(&node, &again, sizeof(node)) == 0);
	render("198.51.100.7");
	render(""); /* central's word for it */
	must_survive_new_keys(span_of(data, n));
	return 0;
}
