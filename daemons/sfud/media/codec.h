/* SPDX-License-Identifier: AGPL-3.0-only */
/* The codecs that pass through, and the one thing the SFU must know of their payload: does a keyframe start in
 * this packet. */
#ifndef SFUD_CODEC_H
#define SFUD_CODEC_H

#include "base/span.h"

enum codec { CODEC_NONE, CODEC_OPUS, CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1, CODEC_RTX, CODEC_MAX_ };

const char *codec_str(enum codec c); /* the name in SDP: "VP8" */
enum codec codec_find(struct span name); /* case-insensitive; CODEC_NONE */

/* First packet of a decodable-from-here frame: VP8 (RFC 7741 4.2, 4.3), VP9 (RFC 9628 4.2: not inter-predicted,
 * layer 0), H264 (RFC 6184: IDR or SPS, also in STAP-A and the first FU-A), AV1 (AV1 RTP 4.4: N bit). Audio:
 * always. False for garbage. */
bool codec_keyframe(enum codec c, struct span payload);

/* The dependency descriptor's view, for payloads that are encrypted end to end: a frame start that carries the template
 * structure (AV1 RTP A.8.3) begins a new coded video sequence. */
bool codec_dd_keyframe(struct span dd);

#endif
