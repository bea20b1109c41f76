/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/resolve.h"

#include "t.h"

#include "rig.h"

struct asked {
	int r;
	uint32_t n, calls;
	struct addr a[RESOLVE_MAX];
};

static struct rig rig;

static void on_answer(int r, const struct addr *a, uint32_t n, void *arg)
{
	struct asked *q = arg;

	q->calls++;
	q->r = r;
	q->n = n;
	for (uint32_t i = 0; i < n; i++)
		q->a[i] = a[i];
}

static bool was_called(void *arg)
{
	return ((struct asked *)arg)->calls > 0;
}

static struct asked ask(const char *name)
{
	struct asked q = { 0 };
	struct resolve *r;

	EQ(resolve_start(rig.l, name, 443, on_answer, &q, &r), 0);
	OK(rig_run(&rig, was_called, &q));
	EQ(q.calls, 1);
	return q;
}

/* Addresses as text need no name server; every form is a struct addr's own. */
static void an_address_is_itself(void)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1:443" },
		{ "192.0.2.77", "192.0.2.77:443" },
		{ "::1", "[::1]:443" },
		{ "2001:db8::5", "[2001:db8::5]:443" },
		{ "::ffff:127.0.0.1", "127.0.0.1:443" },
		{ "64:ff9b::7f00:1", "[64:ff9b::7f00:1]:443" },
		{ "0x7f.1", "127.0.0.1:443" }, /* forms of inet_aton: also loopback */
	};
	char text[ADDR_TEXT_MAX];

	rig_open(&rig);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked q = ask(rows[i].name);

		t_row = rows[i].name;
		EQ(q.r, 0);
		EQ(q.n, 1);
		EQ_STR(addr_fmt(&q.a[0], text), rows[i].want);
	}
	rig_close(&rig);
}

static void localhost_is_in_the_hosts_file(void)
{
	struct asked q;

	rig_open(&rig);
	q = ask("localhost");
	EQ(q.r, 0);
	OK(q.n >= 1 && addr_classify(&q.a[0]) == ADDR_LOOPBACK);
	rig_close(&rig);
}

/* Whether there is a name server or not: never an address. */
static void what_is_no_name_has_no_address(void)
{
	static const char *const rows[] = { "no such name", "nosuchname.invalid", "." };

	rig_open(&rig);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked q = ask(rows[i]);

		t_row = rows[i];
		OK(q.r < 0);
		EQ(q.n, 0);
	}
	rig_close(&rig);
}

static void names_that_cannot_be_are_refused(void)
{
	char name[RESOLVE_NAME_MAX + 1];
	struct resolve *r;

	rig_open(&rig);
	memset(name, 'x', sizeof(name));
	name[RESOLVE_NAME_MAX] = '\0';
	EQ(resolve_start(rig.l, name, 1, on_answer, NULL, &r), ERR_MALFORMED);
	EQ(resolve_start(rig.l, "", 1, on_answer, NULL, &r), ERR_MALFORMED);
	rig_close(&rig);
}

static void cancelled_it_is_not_called(void)
{
	struct asked cancelled = { 0 }, q;
	struct resolve *r;

	rig_open(&rig);
	for (int i = 0; i < 8; i++) {
		EQ(resolve_start(rig.l, "127.0.0.1", 1, on_answer, &cancelled, &r), 0);
		resolve_cancel(r);
	}
	resolve_cancel(NULL);
	q = ask("127.0.0.2");
	EQ(q.r, 0);
	EQ(cancelled.calls, 0);
	rig_close(&rig);
}

T_MAIN(T(an_address_is_itself), T(localhost_is_in_the_hosts_file), T(what_is_no_name_has_no_address),
       T(names_that_cannot_be_are_refused), T(cancelled_it_is_not_called))
