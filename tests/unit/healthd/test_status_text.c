/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/page/status_text.h"

#include "overview_rig.h"

static char json_text[256 * 1024], out[STATUS_TEXT_MAX + 1];
static struct json_tok tok[8192];

static const char *page(const char *doc, bool colours)
{
	struct wr w = wr_from(out, STATUS_TEXT_MAX);
	struct json j;

	EQ(json_parse(span_str(doc), tok, ARRAY_LEN(tok), &j), 0);
	status_text_write(&j, 0, colours, &w);
	OK(!w.bad);
	out[wr_len(&w)] = '\0';
	return out;
}

static const char *of_rig(bool colours)
{
	struct wr w = wr_from(json_text, sizeof(json_text) - 1);
	struct json_out o = json_out(&w);

	jo_obj(&o);
	overview_write(&rig, RIG_NOW, RIG_WALL, &o);
	jo_obj_end(&o);
	json_text[wr_len(&w)] = '\0';
	return page(json_text, colours);
}

static void shows_what_healthd_says(void)
{
	rig_well();
	rig_fail(PROBED_CHANNEL, "timeout", "channel ch2: no answer", "look");
	rig.calls_known = true;
	rig.rooms = 3;
	of_rig(false);
	OK(strstr(out, "call.acme.example  warning\n"));
	OK(strstr(out, "  warning  channel ch2: no answer — look\n"));
	OK(strstr(out, "\n  ch2             timeout                12 ms"));
	OK(strstr(out, "\n  ch1             works                  48 ms"));
	OK(strstr(out, "\n  sfud            serving                   0         2 h"));
	OK(strstr(out, "3 rooms, 0 participants"));
	OK(strstr(out, "\n  front           71                       2027-02-02T13:20:00Z\n"));
	OK(!strchr(out, '\033'));
	OK(strchr(of_rig(true), '\033'));
}

/* A text must not tell the terminal what to do; what is missing is left out. */
static void whatever_it_says(void)
{
	static const char *const docs[] = {
		"{}",
		"[]",
		"null",
		"{\"domain\":7,\"channels\":{},\"daemons\":\"x\",\"probes\":[1,null,\"x\",[]]}",
		"{\"domain\":\"a\\u001b[2Jb\\u009b\",\"problems\":[{\"state\":\"x\\u0007\",\"text\":\"\\r\"}],\"daemons\":["
		"{\"name\":\"\\u001b\"}],"
		"\"changes\":[{\"number\":\"\\u001b\"}],\"not_reported\":\"\\u001b\"}",
	};

	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		t_row = docs[i];
		page(docs[i], false);
		OK(!strchr(out, '\033') && !strchr(out, '\r') && !strchr(out, '\a') && !strstr(out, "\xc2\x9b"));
	}
}

T_MAIN(T(shows_what_healthd_says), T(whatever_it_says))
