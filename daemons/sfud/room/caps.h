/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What one peer can send and receive for one kind of media: codecs with the payload types and header extensions with
 * the ids that its first offer chose. They hold for all its m-lines (BUNDLE demands it), so a map between two peers
 * is a map between two of these.
 */
#ifndef SFUD_CAPS_H
#define SFUD_CAPS_H

#include "sfud/signal/sdp.h"

#define CAPS_CODECS 12
#define CAPS_EXTS 16
#define CAPS_FMTP 128
#define CAPS_URI 96
#define CAPS_NO_PT 0xff

struct caps_codec {
	uint8_t pt, rtx_pt; /* rtx_pt: CAPS_NO_PT when retransmission was not offered */
	uint8_t fb;         /* SDP_FB_* of both sides */
	enum codec codec;
	uint32_t clock;
	uint8_t channels, n_fmtp;
	char fmtp[CAPS_FMTP];
};

struct caps_ext {
	uint8_t id, n_uri;
	char uri[CAPS_URI];
};

struct caps {
	struct caps_codec codec[CAPS_CODECS];
	struct caps_ext ext[CAPS_EXTS];
	uint8_t n_codecs, n_exts;
	uint8_t mid_id, rid_id, repaired_rid_id, twcc_id, dd_id; /* 0: not offered */
};

/* From the offer's first m-line of a kind: what we understand of it, in its order. */
void caps_from_media(struct caps *c, const struct sdp_media *m);

/* The codec with this payload type (its own, not RTX's), or NULL. */
const struct caps_codec *caps_by_pt(const struct caps *c, uint8_t pt);
const struct caps_codec *caps_by_rtx_pt(const struct caps *c, uint8_t pt);

/* Outgoing payload type for each incoming one; CAPS_NO_PT where the receiver has no such codec. */
void caps_map_pts(const struct caps *from, const struct caps *to, uint8_t ret[128]);
/* Outgoing extension id for each incoming one (1..14); 0 = leave out. Hop-by-hop extensions are never mapped. */
void caps_map_exts(const struct caps *from, const struct caps *to, uint8_t ret[16]);

/* Fills the codec and extension lists of an m-line to be written. Answer: everything accepted. Borrows from c. */
void caps_put_answer(const struct caps *c, struct sdp_media *m);
/* Offer towards `to` of a stream sent by `from`: what both have, with to's numbers. Borrows from to. */
void caps_put_offer(const struct caps *from, const struct caps *to, struct sdp_media *m);

#endif
