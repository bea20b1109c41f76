/* SPDX-License-Identifier: AGPL-3.0-only */
/* The two session descriptions of a probe of sfud: an offer that only receives audio, and of the answer what an ICE check needs. */
#ifndef HEALTHD_SFU_SDP_H
#define HEALTHD_SFU_SDP_H

#include "base/addr.h"
#include "base/err.h"

#define SFU_SDP_FINGERPRINT 32
#define SFU_SDP_ICE_MAX 256 /* RFC 8839 5.4 */

/* The whole message, {"kind":"offer","sdp":…}. No DTLS ever begins: the fingerprint may be any. */
void sfu_sdp_offer(struct wr *w, const char *ufrag, const char *pwd, const uint8_t fingerprint[SFU_SDP_FINGERPRINT],
		   uint32_t session);

struct sfu_sdp_answer {
	struct span ufrag, pwd; /* borrowed; 4 to 256 and 22 to 256 ice-chars */
	struct addr candidate;  /* the first UDP host candidate; unset: none */
};

/* ERR_MALFORMED: without ice-ufrag or ice-pwd, or with such that RFC 8839 5.4 does not allow. Other lines are skipped. */
int sfu_sdp_read(struct span sdp, struct sfu_sdp_answer *ret);

#endif
