/* SPDX-License-Identifier: AGPL-3.0-only */
/* A registration and the refresh after it, again and again, each time with another allocation failing. */
#include "base/slab.h"
#include "refreshd/central/central.h"
#include "refreshd/node/doc.h"
#include "refreshd/render/render.h"
#include "unit/refreshd/refreshd_rig.h"

#define SWEEP_MAX 200

struct day {
	size_t made;      /* allocations */
	uint32_t refused; /* steps that said they had no memory */
	uint32_t wrong;   /* steps that failed with another word, changed something, or failed again */
};

static struct node node, before;
static struct node_diag diag;
static uint8_t patched[2 * sizeof(rig_doc)];
static size_t n_patched;

static int ask(void)
{
	static uint8_t out[4096];
	struct wr w = wr_from(out, sizeof(out));
	struct secret token = { .n = 0 };
	struct register_request q = {
		.partner_id = "acme", .domain = "call.partner.example", .token = &token, .branding = SPAN_LIT("{\"a\":[1,2]}"),
	};

	(void)secret_set(&token, SPAN_LIT("ptkn_abc"));
	return register_write(&q, &w, &diag);
}

static int hear(void)
{
	return register_judge(201, span_str(rig_doc), NULL, false, &diag) == REGISTER_OK ? 0 : ERR_MALFORMED;
}

static int take_tokens(void)
{
	struct register_extra e = { .service_token = { .n = 0 } };
	int r = register_extra_parse(span_str(rig_doc), &e, &diag);

	if ((r == 0) != (e.service_token.n == 8))
		r = ERR_MALFORMED;
	register_extra_done(&e);
	return r;
}

static int understand(void)
{
	int r;

	memset(&node, 0x5a, sizeof(node));
	memcpy(&before, &node, sizeof(node));
	r = node_parse(span_str(rig_doc), &node, &diag);
	return r < 0 && memcmp(&node, &before, sizeof(node)) != 0 ? ERR_MALFORMED : r;
}

static int refresh(void)
{
	static const struct doc_set set[] = { { "reality_encryption", { (const uint8_t *)"\"none\"", 6 } } };
	struct wr w = wr_from(patched, sizeof(patched));
	int r = doc_patch(span_str(rig_doc), set, ARRAY_LEN(set), &w);

	n_patched = wr_len(&w);
	return r < 0 && n_patched ? ERR_MALFORMED : r;
}

static int understand_again(void)
{
	int r = node_parse(span_of(patched, n_patched), &node, &diag);

	return r == 0 && strcmp(node.reality.encryption, "none") == 0 ? ERR_MALFORMED : r; /* channels[0] has the word */
}

static int render(void)
{
	static uint8_t arena[RENDER_BYTES_MAX];
	struct wr w = wr_from(arena, sizeof(arena));
	struct local l = rig_local();
	struct render_set set;
	const struct render_in in = { .node = &node, .local = &l, .sfu_pem = "", .nginx_version = "1.22.1",
				      .front_template = SPAN_LIT("server_name x;\n"),
				      .front_values = SPAN_LIT("DOMAIN?=\nTURNS_NAME?=\nUPSTREAM_HOST?=\n") };

	return render_all(&in, &w, &set, &diag);
}

static struct day live(size_t nth)
{
	static int (*const steps[])(void) = { ask, hear, take_tokens, understand, refresh, understand_again, render };
	struct day d = { 0 };

	(void)mem_fail_at(nth);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int r = steps[i]();

		if (r == 0)
			continue;
		d.refused++;
		d.wrong += r != ERR_NOMEM;
		d.wrong += steps[i]() != 0;
	}
	d.made = mem_fail_at(SIZE_MAX);
	return d;
}

/* The house rule for memory: an allocation that fails is a refusal of the step that asked for it. Nothing is changed, and the step
 * works when it is taken again. */
static void every_failing_allocation_is_a_refusal(void)
{
	struct day clean = live(SIZE_MAX), d;
	size_t n;
	char row[32];

	EQ(clean.refused + clean.wrong, 0);
	for (n = 0; n < SWEEP_MAX; n++) {
		snprintf(row, sizeof(row), "allocation %zu: ", n);
		t_row = row;
		d = live(n);
		if (d.made <= n)
			break; /* it made fewer: none failed */
		EQ(d.refused, 1);
		EQ(d.wrong, 0);
	}
	t_row = "";
	EQ(n, clean.made);
	OK(n >= 5);
	printf("# %zu allocations\n", n);
}

T_MAIN(T(every_failing_allocation_is_a_refusal))
