/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * An accepted file, dumped, reads back to equal memory and an equal dump. A refused one has a reason that fits on a
 * line, and a line that exists.
 */
#include "fuzz.h"
#include "wire/conf.h"

struct demo {
	uint16_t port;
	uint32_t peers;
	uint64_t idle;
	bool relay, quiet;
	struct addr listen, other;
	struct conf_addr_list nat, more;
	char name[CONF_TEXT_MAX], title[CONF_TEXT_MAX];
	struct conf_addr_set set;
	struct conf_prefix_set net;
	struct conf_text_list files;
	uint64_t rate;
};

#define F(field) offsetof(struct demo, field)

static const struct conf_key keys[] = {
	{ "A.Port", &conf_port, F(port), "3478", NULL, "a" },
	{ "A.Peers", &conf_u32, F(peers), "500", NULL, "b" },
	{ "A.Idle", &conf_duration, F(idle), "30s", NULL, "c" },
	{ "A.Nat", &conf_addrs, F(nat), "", NULL, "d" },
	{ "Bb.Enable", &conf_bool, F(relay), "yes", NULL, "e" },
	{ "Bb.Quiet", &conf_bool, F(quiet), NULL, NULL, "f" },
	{ "Bb.Listen", &conf_addr, F(listen), "127.0.0.1:8912", NULL, "g" },
	{ "Bb.Other", &conf_addr, F(other), NULL, NULL, "h" },
	{ "Bb.Name", &conf_text, F(name), "", NULL, "i" },
	{ "A.Title", &conf_text, F(title), "x y", NULL, "j" },
	{ "A.More", &conf_addrs, F(more), "::1 192.0.2.1:80", NULL, "k" },
	{ "A.Set", &conf_addr_set, F(set), "", NULL, "l" },
	{ "A.Net", &conf_prefixes, F(net), NULL, NULL, "m" },
	{ "A.File", &conf_texts, F(files), NULL, NULL, "n" },
	{ "A.Rate", &conf_u64, F(rate), "7", NULL, "o" },
	{ 0 },
};

static int apply(struct span text, struct demo *c, struct conf_diag *d)
{
	memset(c, 0, sizeof(*c));
	MUST(conf_defaults(keys, c, d) == 0);
	return conf_apply(keys, "fuzz", text, c, d);
}

static void must_explain(const struct conf_diag *d, struct span text)
{
	unsigned lines = 1;
	size_t n;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	MUST(d->line >= 1 && d->line <= lines);
	MUST(strcmp(d->file, "fuzz") == 0);
	MUST(memchr(d->text, 0, sizeof(d->text)));
	n = strlen(d->text);
	MUST(n > 0);
	for (size_t i = 0; i < n; i++)
		MUST(d->text[i] >= 0x20 && d->text[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t a[16384], b[16384];
	struct wr wa = wr_from(a, sizeof(a)), wb = wr_from(b, sizeof(b));
	struct conf_diag d = { .text = "" };
	struct demo c, again;

	if (apply(span_of(data, n), &c, &d) < 0) {
		must_explain(&d, span_of(data, n));
		return 0;
	}
	conf_dump(&wa, keys, &c);
	MUST(!wa.bad);
	MUST(apply(wr_span_of(&wa), &again, &d) == 0);
	MUST(memcmp(&c, &again, sizeof(c)) == 0);
	conf_dump(&wb, keys, &again);
	MUST(span_eq(wr_span_of(&wa), wr_span_of(&wb)));
	return 0;
}
