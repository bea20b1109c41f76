/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * What the publisher sends: VP8 frames at 30 per second, about 1.5 Mbit/s, each a burst of packets that a browser's
 * packetiser would cut (equal parts, the larger ones last), and Opus at 50 packets per second. One send call for
 * each packet, as browsers do.
 */
#include "base/err.h"
#include "bench/load.h"
#include "sfud/media/rtcp.h"

#define FRAME_US 33333
#define FRAME_BYTES 6250
#define FRAME_SPREAD 2500 /* width of the sizes around the mean */
#define KEYFRAME_TIMES 4
#define PART_MAX 1180 /* payload bytes of a packet */
#define AUDIO_US 20000
#define AUDIO_BYTES 80
#define SR_US 1000000
#define HDR_LEN 28 /* fixed header and one extension block of 12 bytes */
#define NTP_OF_UNIX UINT64_C(2208988800)

static uint32_t next_random(struct load_pub *b)
{
	b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(b->random >> 33);
}

void load_pub_start(struct load *l, mono_t now)
{
	l->pub.on = true;
	l->pub.frame_at = l->pub.audio_at = l->pub.sr_at = now;
	l->pub.seq[LOAD_AUDIO] = 1000;
	l->pub.seq[LOAD_VIDEO] = 2000;
}

/* mid "0" or "1" (id 4), transport-wide number (id 3), audio level (id 1) or rotation (id 13). */
static void put_header(struct load_pub *b, uint8_t *p, enum load_kind kind, bool marker)
{
	bool video = kind == LOAD_VIDEO;

	p[0] = 0x90;
	p[1] = (uint8_t)((marker ? 0x80 : 0) | (video ? LOAD_PT_VIDEO : LOAD_PT_AUDIO));
	put_be16(p + 2, (uint16_t)b->seq[kind]);
	put_be32(p + 4, b->ts[kind]);
	put_be32(p + 8, video ? LOAD_SSRC_VIDEO : LOAD_SSRC_AUDIO);
	put_be16(p + 12, 0xbede);
	put_be16(p + 14, 3);
	memset(p + 16, 0, 12);
	p[16] = 0x40;
	p[17] = video ? '1' : '0';
	p[18] = 0x31;
	put_be16(p + 19, b->twcc++);
	p[21] = video ? 0xd0 : 0x10;
	p[22] = video ? 0 : 0x30;
}

static void send_packet(struct load *l, enum load_kind kind, uint8_t *p, size_t payload, bool marker)
{
	struct load_pub *b = &l->pub;
	size_t n = HDR_LEN + payload;

	put_header(b, p, kind, marker);
	put_be64(p + n - LOAD_TRAILER, b->seq[kind]);
	put_be64(p + n - 8, load_wall_ns());
	n = srtp_seal(&b->peer->tx, p, HDR_LEN, n, b->seq[kind]++);
	b->bytes[kind] += (uint32_t)payload;
	load_peer_send(b->peer, p, n);
}

/* RFC 7741 4.2, 4.3: S and PID 0 on the first packet; the frame header's lowest bit is 0 in a keyframe. */
static void put_vp8(uint8_t *payload, bool first, bool key)
{
	static const uint8_t start[] = { 0x10, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02 };

	payload[0] = first ? 0x10 : 0x00;
	payload[1] = 0x01;
	if (first && key)
		memcpy(payload + 1, start, sizeof(start));
}

static void send_frame(struct load *l)
{
	struct load_pub *b = &l->pub;
	uint32_t bytes = FRAME_BYTES - FRAME_SPREAD / 2 + next_random(b) % FRAME_SPREAD, parts;
	uint8_t p[OUTBOX_DGRAM_MAX] = { 0 };
	bool key = b->keyframe;

	b->keyframe = false;
	b->keyframes += key;
	bytes *= key ? KEYFRAME_TIMES : 1;
	parts = (bytes + PART_MAX - 1) / PART_MAX;
	for (uint32_t i = 0; i < parts; i++) {
		size_t n = bytes / parts + (i >= parts - bytes % parts);

		put_vp8(p + HDR_LEN, i == 0, key);
		send_packet(l, LOAD_VIDEO, p, n, i + 1 == parts);
	}
	b->ts[LOAD_VIDEO] += 3000;
}

static void send_audio(struct load *l)
{
	uint8_t p[OUTBOX_DGRAM_MAX] = { 0 };

	send_packet(l, LOAD_AUDIO, p, AUDIO_BYTES - 10 + next_random(&l->pub) % 20, false);
	l->pub.ts[LOAD_AUDIO] += 960;
}

static void send_report(struct load *l, enum load_kind kind)
{
	const struct load_pub *b = &l->pub;
	uint64_t now = load_wall_ns();
	struct rtcp_sr sr = { .ssrc = kind == LOAD_VIDEO ? LOAD_SSRC_VIDEO : LOAD_SSRC_AUDIO,
			      .ntp_sec = (uint32_t)(now / 1000000000u + NTP_OF_UNIX),
			      .ntp_frac = (uint32_t)((now % 1000000000u << 32) / 1000000000u), .rtp_ts = b->ts[kind],
			      .packets = (uint32_t)b->seq[kind], .octets = b->bytes[kind] };
	uint8_t buf[256];
	struct wr w = wr_from(buf, sizeof(buf) - SRTP_OVERHEAD);

	rtcp_put_sr(&w, &sr, NULL, 0);
	rtcp_put_cname(&w, sr.ssrc, "load");
	load_peer_send_rtcp(b->peer, &w);
}

void load_pub_tick(struct load *l, mono_t now)
{
	struct load_pub *b = &l->pub;

	if (!b->on)
		return;
	if (mono_reached(now, b->frame_at)) {
		send_frame(l);
		b->frame_at = mono_add(b->frame_at, FRAME_US);
	}
	if (mono_reached(now, b->audio_at)) {
		send_audio(l);
		b->audio_at = mono_add(b->audio_at, AUDIO_US);
	}
	if (mono_reached(now, b->sr_at)) {
		send_report(l, LOAD_AUDIO);
		send_report(l, LOAD_VIDEO);
		b->sr_at = mono_add(b->sr_at, SR_US);
	}
}

mono_t load_pub_next(const struct load *l)
{
	const struct load_pub *b = &l->pub;

	return b->on ? mono_min(b->frame_at, mono_min(b->audio_at, b->sr_at)) : MONO_NEVER;
}

void load_pub_rtcp(struct load *l, struct span packet)
{
	struct rtcp p;
	size_t at = 0;

	while (rtcp_next(packet, &at, &p) > 0) {
		if (p.type == RTCP_PSFB && p.count == PSFB_PLI) {
			l->pub.plis++;
			l->pub.keyframe = true;
		} else if (p.type == RTCP_RTPFB && p.count == RTPFB_NACK) {
			l->pub.nacks++;
		}
	}
}
