/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * https://varlink.org/Interface-Definition: an interface is a reverse domain name of at least two labels, a
 * method is one more label that begins with a capital letter.
 */
#include "sys/varlink_msg.h"

static bool is_alpha(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(uint8_t c)
{
	return is_alpha(c) || (c >= '0' && c <= '9');
}

/* Letters and digits, dashes inside only; the first label begins with a letter. */
static bool label_ok(struct span label, bool first)
{
	if (label.n == 0 || !is_alnum(label.p[0]) || !is_alnum(label.p[label.n - 1]) ||
	    (first && !is_alpha(label.p[0])))
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_alnum(label.p[i]) && label.p[i] != '-')
			return false;
	return true;
}

static bool member_ok(struct span member)
{
	if (member.n == 0 || member.p[0] < 'A' || member.p[0] > 'Z')
		return false;
	for (size_t i = 1; i < member.n; i++)
		if (!is_alnum(member.p[i]))
			return false;
	return true;
}

size_t varlink_method_split(struct span method)
{
	size_t at = 0, labels = 0;

	for (size_t i = 0; i < method.n; i++) {
		if (method.p[i] != '.')
			continue;
		if (!label_ok(span_of(method.p + at, i - at), labels == 0))
			return 0;
		at = i + 1;
		labels++;
	}
	if (labels < 2 || !member_ok(span_of(method.p + at, method.n - at)))
		return 0;
	return at - 1;
}

/* Absent is false. */
static int flag(const struct json *doc, const char *key, bool *ret)
{
	int r = json_get_bool(doc, 0, key, ret);

	return r == ERR_MISSING ? 0 : r;
}

int varlink_parse(struct span msg, struct json_tok *tok, uint32_t max, struct varlink_msg *ret)
{
	struct varlink_msg m = { .params = -1 };
	size_t n;
	int r;

	r = json_parse(msg, tok, max, &m.doc);
	if (r < 0)
		return r;
	if (json_type_of(&m.doc, 0) != JSON_OBJECT)
		return ERR_MALFORMED;
	if (json_get_str(&m.doc, 0, "method", m.method, sizeof(m.method), &n) < 0)
		return ERR_MALFORMED;
	m.interface_n = varlink_method_split(span_of(m.method, n));
	if (m.interface_n == 0)
		return ERR_MALFORMED;
	if (flag(&m.doc, "oneway", &m.oneway) < 0 || flag(&m.doc, "more", &m.more) < 0 ||
	    flag(&m.doc, "upgrade", &m.upgrade) < 0)
		return ERR_MALFORMED;
	/* A call cannot both want no reply and many. */
	if (m.oneway && (m.more || m.upgrade))
		return ERR_MALFORMED;
	m.params = json_get(&m.doc, 0, "parameters");
	if (m.params >= 0 && json_type_of(&m.doc, m.params) == JSON_NULL)
		m.params = -1;
	if (m.params >= 0 && json_type_of(&m.doc, m.params) != JSON_OBJECT)
		return ERR_MALFORMED;
	*ret = m;
	return 0;
}
