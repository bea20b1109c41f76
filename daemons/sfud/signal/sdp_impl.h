/* SPDX-License-Identifier: AGPL-3.0-only */
/* Shared by the files of the reader: its state, and words, numbers and characters of a line. */
#ifndef SFUD_SDP_IMPL_H
#define SFUD_SDP_IMPL_H

#include "sfud/signal/sdp.h"

#define SDP_RIDS_SEEN 8

/* What a session or a media section says about the transport (RFC 8839 5.4, RFC 8842 5). */
struct sdp_carrier {
	struct span ufrag, pwd;
	bool has_fingerprint;
	uint8_t fingerprint[SDP_FINGERPRINT_LEN];
	enum sdp_setup setup;
};

struct sdp_reader {
	struct sdp *s;
	struct sdp_media *m; /* NULL in front of the first m-line */
	struct sdp_carrier session, media;
	enum sdp_dir session_dir;
	bool has_session_dir, has_dir, taken, has_group, port_zero, bundle_only;
	struct span group;
	struct span simulcast; /* the send list */
	struct span rid[SDP_RIDS_SEEN];
	uint32_t n_rids;
};

/* The part in front of the next `at`; *rest keeps what is behind it. */
struct span sdp_cut(struct span *rest, char at);
/* Without spaces at both ends. */
struct span sdp_trim(struct span s);
/* The next of several words with spaces between them; empty at the end. */
struct span sdp_word(struct span *rest);
bool sdp_same_word(struct span a, const char *b); /* case-insensitive */
bool sdp_number(struct span s, uint32_t max, uint32_t *ret);
int sdp_hex_digit(uint8_t c); /* -1: none */
bool sdp_is_plain(struct span s); /* printable ASCII that neither SDP nor JSON gives a meaning */
bool sdp_is_token(struct span s); /* the same, not empty, without spaces */
bool sdp_made_of(struct span s, char extra1, char extra2); /* letters, digits and two more */

/* The payload types of the m-line, in order of preference; the attributes fill them in. */
const char *sdp_media_codecs(struct sdp_media *m);
/* An attribute of a media section: stores the value, or returns the phrase that refuses the text. Others are
 * skipped. */
const char *sdp_media_attr(struct sdp_reader *r, struct span name, struct span value);
/* What can only be said when a section is complete: which codecs remain, which rids in which order. */
void sdp_media_settle(struct sdp_reader *r);

#endif
