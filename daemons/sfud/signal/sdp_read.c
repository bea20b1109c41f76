/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * The reader. A text is cut into lines, a line into a type and a value, an attribute is looked up in a table; its
 * function stores the value or returns the phrase that refuses the whole text. What is stored and may be echoed is
 * plain ASCII without quotes, so it can stand in an SDP and in JSON as it is.
 */
#include "sfud/signal/sdp_impl.h"

static struct sdp_carrier *carrier(struct sdp_reader *r)
{
	return r->m ? &r->media : &r->session;
}

static const char *on_ufrag(struct sdp_reader *r, struct span v)
{
	struct sdp_carrier *c = carrier(r);

	if (c->ufrag.n)
		return "ice-ufrag repeated";
	if (v.n < 4 || v.n > 256 || !sdp_made_of(v, '+', '/'))
		return "bad ice-ufrag";
	c->ufrag = v;
	return NULL;
}

static const char *on_pwd(struct sdp_reader *r, struct span v)
{
	struct sdp_carrier *c = carrier(r);

	if (c->pwd.n)
		return "ice-pwd repeated";
	if (v.n < 22 || v.n > 256 || !sdp_made_of(v, '+', '/'))
		return "bad ice-pwd";
	c->pwd = v;
	return NULL;
}

static const char *on_ice_lite(struct sdp_reader *r, struct span v)
{
	(void)v;
	r->s->ice_lite = true;
	return NULL;
}

static const char *on_fingerprint(struct sdp_reader *r, struct span v)
{
	struct sdp_carrier *c = carrier(r);
	uint8_t hash[SDP_FINGERPRINT_LEN];

	if (!sdp_same_word(sdp_word(&v), "sha-256"))
		return NULL;
	v = sdp_trim(v);
	if (v.n != sizeof(hash) * 3 - 1)
		return "bad fingerprint";
	for (size_t i = 0; i < sizeof(hash); i++) {
		int hi = sdp_hex_digit(v.p[i * 3]), lo = sdp_hex_digit(v.p[i * 3 + 1]);

		if (hi < 0 || lo < 0 || (i + 1 < sizeof(hash) && v.p[i * 3 + 2] != ':'))
			return "bad fingerprint";
		hash[i] = (uint8_t)(hi << 4 | lo);
	}
	if (c->has_fingerprint && memcmp(c->fingerprint, hash, sizeof(hash)) != 0)
		return "two fingerprints";
	memcpy(c->fingerprint, hash, sizeof(hash));
	c->has_fingerprint = true;
	return NULL;
}

static const char *on_setup(struct sdp_reader *r, struct span v)
{
	struct sdp_carrier *c = carrier(r);
	enum sdp_setup setup = span_is(v, "actpass")   ? SDP_SETUP_ACTPASS
			       : span_is(v, "active")  ? SDP_SETUP_ACTIVE
			       : span_is(v, "passive") ? SDP_SETUP_PASSIVE
						       : SDP_SETUP_NONE;

	if (setup == SDP_SETUP_NONE)
		return "bad setup";
	if (c->setup != SDP_SETUP_NONE && c->setup != setup)
		return "two setups";
	c->setup = setup;
	return NULL;
}

static const char *on_group(struct sdp_reader *r, struct span v)
{
	if (r->m || r->has_group || !span_is(sdp_word(&v), "BUNDLE"))
		return NULL;
	r->group = v;
	r->has_group = true;
	return NULL;
}

static const struct attr {
	const char *name;
	const char *(*fn)(struct sdp_reader *r, struct span value);
} attrs[] = {
	{ "fingerprint", on_fingerprint }, { "group", on_group },     { "ice-lite", on_ice_lite },
	{ "ice-pwd", on_pwd },		   { "ice-ufrag", on_ufrag }, { "setup", on_setup },
};

static const char *const dir_names[] = {
	[SDP_INACTIVE] = "inactive",
	[SDP_SENDONLY] = "sendonly",
	[SDP_RECVONLY] = "recvonly",
	[SDP_SENDRECV] = "sendrecv",
};

static const char *on_dir(struct sdp_reader *r, enum sdp_dir dir)
{
	bool *has = r->m ? &r->has_dir : &r->has_session_dir;
	enum sdp_dir *at = r->m ? &r->m->dir : &r->session_dir;

	if (*has && *at != dir)
		return "two directions";
	*has = true;
	*at = dir;
	return NULL;
}

static const char *on_attr(struct sdp_reader *r, struct span v)
{
	struct span name = sdp_cut(&v, ':');

	for (size_t i = 0; i < ARRAY_LEN(dir_names); i++)
		if (span_is(name, dir_names[i]))
			return on_dir(r, (enum sdp_dir)i);
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
		if (span_is(name, attrs[i].name))
			return attrs[i].fn(r, v);
	return r->m ? sdp_media_attr(r, name, v) : NULL;
}

static const char *open_media(struct sdp_reader *r, struct span v)
{
	struct sdp_media *m = &r->s->media[r->s->n_media++];
	struct span kind = sdp_word(&v), ports = sdp_word(&v), proto = sdp_word(&v), port = sdp_cut(&ports, '/');
	uint32_t n, many = 1;

	*m = (struct sdp_media){ .dir = r->session_dir, .proto = proto, .fmt = sdp_trim(v) };
	m->kind = span_is(kind, "audio")	 ? SDP_AUDIO
		  : span_is(kind, "video")	 ? SDP_VIDEO
		  : span_is(kind, "application") ? SDP_APPLICATION
						 : SDP_OTHER;
	r->m = m;
	r->media = (struct sdp_carrier){ 0 };
	r->has_dir = r->bundle_only = false;
	r->simulcast = span_of(NULL, 0);
	r->n_rids = 0;
	if (!sdp_number(port, UINT16_MAX, &n) || (ports.n && !sdp_number(ports, UINT16_MAX, &many)))
		return "bad port";
	r->port_zero = n == 0;
	if (!sdp_is_token(kind) || !sdp_is_token(proto) || m->fmt.n == 0 || !sdp_is_plain(m->fmt))
		return "bad media line";
	return m->kind == SDP_AUDIO || m->kind == SDP_VIDEO ? sdp_media_codecs(m) : NULL;
}

static bool in_group(const struct sdp_reader *r, struct span mid)
{
	struct span left = r->group;

	while (left.n)
		if (span_eq(sdp_word(&left), mid))
			return mid.n > 0;
	return false;
}

static void take_carrier(struct sdp *s, const struct sdp_carrier *c)
{
	if (c->ufrag.n || c->pwd.n) { /* a pair */
		s->ufrag = c->ufrag;
		s->pwd = c->pwd;
	}
	if (c->has_fingerprint) {
		memcpy(s->fingerprint, c->fingerprint, sizeof(s->fingerprint));
		s->has_fingerprint = true;
	}
	if (c->setup != SDP_SETUP_NONE)
		s->setup = c->setup;
}

static void close_media(struct sdp_reader *r)
{
	struct sdp_media *m = r->m;

	if (!m)
		return;
	sdp_media_settle(r);
	m->rejected = r->port_zero && !r->bundle_only;
	m->bundled = !m->rejected && in_group(r, m->mid);
	if (r->taken || m->rejected || (r->has_group && !m->bundled))
		return;
	r->taken = true;
	take_carrier(r->s, &r->media);
}

static int on_line(struct sdp_reader *r, struct span line, const char **why)
{
	if (line.n < 2 || line.p[0] < 'a' || line.p[0] > 'z' || line.p[1] != '=')
		*why = "not a line of SDP";
	else if (memchr(line.p, '\r', line.n) || memchr(line.p, '\0', line.n))
		*why = "control character";
	else if (line.p[0] == 'a')
		*why = on_attr(r, span_of(line.p + 2, line.n - 2));
	if (*why)
		return ERR_MALFORMED;
	if (line.p[0] != 'm')
		return 0;
	if (!r->m)
		take_carrier(r->s, &r->session);
	close_media(r);
	if (r->s->n_media == SDP_MEDIA_MAX) {
		*why = "too many media lines";
		return ERR_LIMIT;
	}
	*why = open_media(r, span_of(line.p + 2, line.n - 2));
	return *why ? ERR_MALFORMED : 0;
}

static int read_lines(struct sdp_reader *r, struct span text, const char **why)
{
	for (bool first = true; text.n; first = false) {
		struct span line = sdp_cut(&text, '\n');
		int e;

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > SDP_LINE_MAX) {
			*why = "line too long";
			return ERR_LIMIT;
		}
		if (first && !span_is(line, "v=0")) {
			*why = "no v=0";
			return ERR_MALFORMED;
		}
		if (line.n == 0)
			continue;
		e = on_line(r, line, why);
		if (e < 0)
			return e;
	}
	close_media(r);
	return 0;
}

static int whole(const struct sdp *s, const char **why)
{
	if (s->n_media == 0) {
		*why = "no media line";
		return ERR_MALFORMED;
	}
	*why = s->ufrag.n == 0	    ? "no ice-ufrag"
	       : s->pwd.n == 0	    ? "no ice-pwd"
	       : !s->has_fingerprint ? "no fingerprint"
				     : NULL;
	return *why ? ERR_MISSING : 0;
}

int sdp_parse(struct span text, struct sdp *ret, const char **why)
{
	struct sdp_reader r = { .s = ret, .session_dir = SDP_SENDRECV };
	const char *unused;
	int e;

	if (!why)
		why = &unused;
	*why = NULL;
	/* Media sections are cleared when they begin: the struct is large and mostly not used. */
	memset(ret, 0, offsetof(struct sdp, media));
	memset(&ret->n_media, 0, sizeof(*ret) - offsetof(struct sdp, n_media));
	if (text.n > SDP_TEXT_MAX) {
		*why = "text too long";
		return ERR_LIMIT;
	}
	e = read_lines(&r, text, why);
	if (e == 0)
		e = whole(ret, why);
	if (e < 0)
		ret->n_media = 0;
	return e;
}
