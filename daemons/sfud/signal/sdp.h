/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Session descriptions (RFC 8866) as WebRTC uses them (RFC 8829, 8839, 8842, 8843, 8851, 8853): a parser that keeps
 * what an SFU needs, and a writer that renders the same structures. Parsed values borrow from the text. Unknown lines
 * and attributes are skipped; what would make two readers disagree (no m-line, a line over SDP_LINE_MAX, repeated mid,
 * missing ufrag or fingerprint) is an error with the reason in words. Every span that is parsed is printable ASCII
 * without quotes and backslashes: it can be echoed in an SDP, and that in JSON, as it is.
 */
#ifndef SFUD_SDP_H
#define SFUD_SDP_H

#include "base/addr.h"
#include "base/err.h"
#include "sfud/media/codec.h"

#define SDP_TEXT_MAX (128 * 1024)
#define SDP_LINE_MAX 2048
#define SDP_MEDIA_MAX 64
#define SDP_CODECS_MAX 48 /* per m-line; further formats are ignored */
#define SDP_EXTS_MAX 24
#define SDP_SSRCS_MAX 8
#define SDP_RIDS_MAX 3
#define SDP_MID_MAX 16
#define SDP_FINGERPRINT_LEN 32

enum sdp_kind { SDP_AUDIO, SDP_VIDEO, SDP_APPLICATION, SDP_OTHER };
enum sdp_dir { SDP_INACTIVE, SDP_SENDONLY, SDP_RECVONLY, SDP_SENDRECV };
enum sdp_setup { SDP_SETUP_NONE, SDP_SETUP_ACTPASS, SDP_SETUP_ACTIVE, SDP_SETUP_PASSIVE };

enum { /* a=rtcp-fb of one payload type */
	SDP_FB_NACK = 1 << 0,
	SDP_FB_PLI = 1 << 1,
	SDP_FB_FIR = 1 << 2,
	SDP_FB_TWCC = 1 << 3,
	SDP_FB_REMB = 1 << 4,
};

struct sdp_codec {
	uint8_t pt;
	enum codec codec; /* CODEC_NONE: one that is not forwarded */
	uint32_t clock;
	uint8_t channels; /* 1 when not given */
	uint8_t apt;      /* CODEC_RTX: the payload type it repeats */
	uint8_t fb;       /* SDP_FB_* */
	struct span fmtp; /* parameters as written, n = 0: none */
};

struct sdp_ext {
	uint8_t id; /* not 0, not 15 */
	struct span uri;
};

struct sdp_ssrc {
	uint32_t ssrc;
	uint32_t rtx; /* of the FID group, 0 = none */
};

struct sdp_media {
	enum sdp_kind kind;
	struct span proto; /* "UDP/TLS/RTP/SAVPF" */
	struct span fmt;   /* the format list as written (echoed when a line is refused) */
	struct span mid;
	enum sdp_dir dir;
	bool rejected;     /* port 0 (and not bundle-only) */
	bool rtcp_mux, rtcp_rsize;
	struct span msid;  /* "stream track", n = 0: none */
	struct sdp_codec codec[SDP_CODECS_MAX];
	uint32_t n_codecs;
	struct sdp_ext ext[SDP_EXTS_MAX];
	uint32_t n_exts;
	struct sdp_ssrc ssrc[SDP_SSRCS_MAX]; /* primary ones, with their RTX */
	uint32_t n_ssrcs;
	struct span rid[SDP_RIDS_MAX]; /* parsed: a=rid:… send, in a=simulcast order or else their own; written: recv */
	uint32_t n_rids;
	bool bundled;      /* in the BUNDLE group, and not rejected */
	struct span cname; /* only written */
};

struct sdp {
	struct span ufrag, pwd;
	bool has_fingerprint;
	uint8_t fingerprint[SDP_FINGERPRINT_LEN]; /* SHA-256; another hash does not count */
	enum sdp_setup setup;
	bool ice_lite;
	struct sdp_media media[SDP_MEDIA_MAX];
	uint32_t n_media;
	/* only written: */
	uint64_t session_id, version;
	struct addr candidate[8]; /* UDP host candidates, on the first bundled line */
	uint32_t n_candidates;
};

/* An offer or answer of a browser. *why: NULL or a static phrase for the log when the result is an error. ICE
 * credentials, fingerprint and setup may stand at session or media level (the first bundled m-line's count).
 * ERR_MALFORMED, ERR_LIMIT (text, line, m-lines), ERR_MISSING (ufrag, pwd, fingerprint). *ret is scratch: after an
 * error only n_media = 0 is true of it. Extensions that the browser only receives, or encrypts (RFC 6904), are
 * left out. */
int sdp_parse(struct span text, struct sdp *ret, const char **why);

/* Renders s: the house's offers and answers. BUNDLE of all lines with `bundled`, extmap-allow-mixed. A line that is
 * `rejected`, or has no codec, is refused: port 0, inactive, outside the group, its proto and fmt echoed. w.bad when
 * it does not fit. */
void sdp_write(struct wr *w, const struct sdp *s);

/* One fmtp parameter ("profile-level-id"), case-insensitive name; an empty span when absent. */
struct span sdp_fmtp_get(struct span fmtp, const char *name);

/* Do two descriptions of a codec mean the same bitstream? Name, clock, channels, and what distinguishes profiles: VP9
 * profile-id, H264 profile (first two bytes of profile-level-id, as RFC 6184 table 5 reads them) and
 * packetization-mode, AV1 profile; levels do not count. CODEC_NONE and CODEC_RTX are never the same: one is unknown,
 * the other means nothing without its apt. */
bool sdp_codec_same(const struct sdp_codec *a, const struct sdp_codec *b);

#endif
