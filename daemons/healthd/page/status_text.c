/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_text.h"

#include "healthd/page/status_words.h"

#define TEXT_MAX 640

struct page {
	const struct json *j;
	struct wr *w;
	bool colours;
};

/* --- reading -------------------------------------------------------------------------------------------- */

/* "" for what is missing; a terminal must not be told what to do by a text. */
static const char *str(const struct page *p, int obj, const char *key, char buf[TEXT_MAX])
{
	if (json_get_str(p->j, obj, key, buf, TEXT_MAX, NULL) < 0)
		buf[0] = '\0';
	for (char *c = buf; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f ||
		    ((unsigned char)*c == 0xc2 && (unsigned char)c[1] < 0xa0 && c[1]))
			*c = '?';
	}
	return buf;
}

static uint64_t num(const struct page *p, int obj, const char *key)
{
	uint64_t v;

	return json_get_u64(p->j, obj, key, &v) == 0 ? v : 0;
}

static bool yes(const struct page *p, int obj, const char *key)
{
	bool v;

	return json_get_bool(p->j, obj, key, &v) == 0 && v;
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* A column: characters, not bytes, are counted. */
static void column(struct page *p, const char *text, size_t width, bool right)
{
	size_t n = 0;

	for (const char *c = text; *c; c++)
		n += ((unsigned char)*c & 0xc0) != 0x80;
	for (size_t i = n; right && i < width; i++)
		wr_u8(p->w, ' ');
	wr_str(p->w, text);
	for (size_t i = n; !right && i < width; i++)
		wr_u8(p->w, ' ');
}

static void coloured(struct page *p, const char *colour, const char *text, size_t width)
{
	if (p->colours && colour[0]) {
		wr_str(p->w, "\033[");
		wr_str(p->w, colour);
		wr_str(p->w, "m");
	}
	column(p, text, width, false);
	if (p->colours && colour[0])
		wr_str(p->w, "\033[0m");
}

static const char *colour_of(const char *word)
{
	static const struct {
		const char *word, *colour;
	} table[] = {
		{ "ok", "32" },      { "works", "32" }, { "serving", "32" },  { "taken", "32" },
		{ "warning", "33" }, { "later", "33" }, { "draining", "33" }, { "unknown", "2" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].word, word) == 0)
			return table[i].colour;
	}
	return "1;31";
}

static void head(struct page *p, const char *title)
{
	wr_str(p->w, "\n");
	coloured(p, "1", title, 0);
	wr_str(p->w, "\n");
}

/* --- parts ---------------------------------------------------------------------------------------------- */

static void write_top(struct page *p, int obj)
{
	char a[TEXT_MAX], words[WORDS_MAX];

	str(p, obj, "domain", a);
	coloured(p, "1", a[0] ? a : "Partner edge", 0);
	wr_str(p->w, "  ");
	str(p, obj, "verdict", a);
	coloured(p, colour_of(a), a, 0);
	wr_str(p->w, "\nnode ");
	wr_str(p->w, str(p, obj, "node", a));
	wr_str(p->w, ", version ");
	wr_str(p->w, str(p, obj, "version", a));
	wr_str(p->w, ", healthd up ");
	wr_str(p->w, words_duration(num(p, obj, "uptime"), words));
	wr_str(p->w, ", probed ");
	str(p, obj, "probed_at", a);
	wr_str(p->w, a[0] ? a : "not yet");
	wr_str(p->w, "\n");
}

static void write_problems(struct page *p, int list)
{
	char a[TEXT_MAX];

	for (int at = json_first(p->j, list); at >= 0; at = json_next(p->j, list, at)) {
		str(p, at, "state", a);
		wr_str(p->w, "  ");
		coloured(p, colour_of(a), a, 9);
		wr_str(p->w, str(p, at, "text", a));
		wr_str(p->w, "\n");
	}
}

static void write_probe(struct page *p, int at)
{
	bool known = yes(p, at, "known"), ok = yes(p, at, "ok");
	char a[TEXT_MAX], words[WORDS_MAX];

	wr_str(p->w, "  ");
	column(p, str(p, at, "name", a), 16, false);
	str(p, at, "reason", a);
	coloured(p, !known ? "2" : ok ? "32" : "1;31", !known ? "not yet" : ok ? "works" : a, 18);
	column(p, known ? words_us(num(p, at, "rtt_us"), words) : "–", 10, true);
	column(p, num(p, at, "rtt_median_us") ? words_us(num(p, at, "rtt_median_us"), words) : "–", 12, true);
	column(p, words_percent(num(p, at, "good"), num(p, at, "good") + num(p, at, "bad"), words), 10, true);
	column(p, words_count(num(p, at, "failed_24h"), words), 8, true);
	wr_str(p->w, "\n");
}

static void write_probes(struct page *p, int obj)
{
	static const char *const lists[] = { "channels", "probes" };

	head(p, "  Probe           State                   now      median    worked  failed");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		int list = json_get(p->j, obj, lists[i]);

		for (int at = json_first(p->j, list); at >= 0; at = json_next(p->j, list, at))
			write_probe(p, at);
	}
}

static void write_daemons(struct page *p, int list)
{
	char name[TEXT_MAX], a[TEXT_MAX], words[WORDS_MAX];

	head(p, "  Daemon          State              sessions          up   version");
	for (int at = json_first(p->j, list); at >= 0; at = json_next(p->j, list, at)) {
		bool alive = strcmp(str(p, at, "life", a), "alive") == 0;
		bool front = strcmp(str(p, at, "name", name), "front") == 0;

		wr_str(p->w, "  ");
		column(p, name, 16, false);
		if (!alive) {
			coloured(p, colour_of(a), strcmp(a, "gone") == 0 ? "not running" : a, 16);
		} else if (strcmp(str(p, at, "serves", a), "no") == 0) {
			coloured(p, "1;31", "does not serve", 16);
		} else {
			str(p, at, "state", a);
			coloured(p, colour_of(a[0] ? a : "serving"), a[0] ? a : "serving", 16);
		}
		column(p, alive && !front ? words_count(num(p, at, "sessions"), words) : "–", 11, true);
		column(p, alive && !front ? words_duration(num(p, at, "uptime"), words) : "–", 12, true);
		wr_str(p->w, "   ");
		wr_str(p->w, str(p, at, "version", a));
		wr_str(p->w, "\n");
	}
}

static void write_load(struct page *p, int obj)
{
	int calls = json_get(p->j, obj, "calls"), relay = json_get(p->j, obj, "relay");
	char words[WORDS_MAX];

	head(p, "  Load");
	if (yes(p, calls, "known")) {
		wr_str(p->w, "  calls           ");
		wr_str(p->w, words_count(num(p, calls, "rooms"), words));
		wr_str(p->w, " rooms, ");
		wr_str(p->w, words_count(num(p, calls, "participants"), words));
		wr_str(p->w, " participants\n");
	}
	if (yes(p, relay, "known")) {
		wr_str(p->w, "  relay           ");
		wr_str(p->w, words_count(num(p, relay, "allocations"), words));
		wr_str(p->w, " allocations, ");
		wr_str(p->w, words_rate(num(p, relay, "bytes_per_second"), words));
		wr_str(p->w, ", ");
		wr_str(p->w, words_bytes(num(p, relay, "bytes"), words));
		wr_str(p->w, " since turnd began\n");
	}
	if (!yes(p, calls, "known") && !yes(p, relay, "known"))
		wr_str(p->w, "  not known: neither sfud nor turnd gives its metrics\n");
}

/* Two or three members of each element of a list, as columns. */
static void write_list(struct page *p, int obj, const char *list, size_t width, const char *title, const char *const key[3])
{
	int at = json_first(p->j, json_get(p->j, obj, list));
	char a[TEXT_MAX], words[WORDS_MAX];

	if (at < 0)
		return;
	head(p, title);
	for (; at >= 0; at = json_next(p->j, json_get(p->j, obj, list), at)) {
		wr_str(p->w, "  ");
		for (int i = 0; i < 3 && key[i]; i++) {
			bool last = i == 2 || !key[i + 1];
			bool number = json_type_of(p->j, json_get(p->j, at, key[i])) == JSON_NUMBER;

			column(p, number ? words_count(num(p, at, key[i]), words) : str(p, at, key[i], a),
			       last ? 0 : i == 0 ? width : 24, false);
			wr_str(p->w, last ? "" : " ");
		}
		wr_str(p->w, "\n");
	}
}

void status_text_write(const struct json *j, int obj, bool colours, struct wr *w)
{
	struct page p = { j, w, colours };
	char a[TEXT_MAX];

	write_top(&p, obj);
	write_problems(&p, json_get(j, obj, "problems"));
	write_probes(&p, obj);
	write_daemons(&p, json_get(j, obj, "daemons"));
	write_load(&p, obj);
	write_list(&p, obj, "certificates", 15, "  Certificates (days left)",
		   (const char *const[3]){ "name", "days", "until" });
	write_list(&p, obj, "reports", 15, "  Reports to central", (const char *const[3]){ "name", "verdict", "target" });
	write_list(&p, obj, "changes", 15, "  Last changes", (const char *const[3]){ "number", "reason", "made_at" });
	write_list(&p, obj, "timers", 35, "  Timers (last run)", (const char *const[3]){ "name", "last", NULL });
	write_list(&p, obj, "repairs", 15, "  Repairs", (const char *const[3]){ "daemon", "outcome", "at" });
	if (str(&p, obj, "not_reported", a)[0]) {
		head(&p, "  Reports to central");
		wr_str(w, "  ");
		wr_str(w, a);
		wr_str(w, "\n");
	}
}
