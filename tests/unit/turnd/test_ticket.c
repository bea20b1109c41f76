/* SPDX-License-Identifier: AGPL-3.0-only */
#include "turnd/ticket.h"

#include "t.h"

static const uint8_t key[TICKET_KEY_LEN] = "0123456789abcde", other_key[TICKET_KEY_LEN] = "0123456789abcdf";
static const struct ticket sample = { .alloc = { 0x01020304, 0xfffefdfc }, .serial = 0x1234, .worker = 7 };

static struct rng seeded(uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	return rng;
}

/* What was sealed comes out again, for any allocation and worker. */
static void opens_what_it_sealed(void)
{
	struct rng rng = seeded(1);

	for (int i = 0; i < 1000; i++) {
		struct ticket t = { { rng_u32(&rng), rng_u32(&rng) }, (uint16_t)rng_u32(&rng), (uint8_t)rng_u32(&rng) };
		struct ticket got = { 0 };
		uint8_t sealed[TICKET_LEN];

		EQ(ticket_seal(key, &t, &rng, sealed), 0);
		EQ(ticket_open(key, span_of(sealed, TICKET_LEN), &got), 0);
		OK(handle_eq(got.alloc, t.alloc));
		EQ(got.serial, t.serial);
		EQ(got.worker, t.worker);
	}
}

/* AES-128-GCM as anybody has it: nonce, the 12 bytes big-endian, tag (Python's cryptography made this one). */
static void is_plain_aes_gcm(void)
{
	static const uint8_t sealed[TICKET_LEN] = {
		0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
		0x7e, 0xf1, 0xf9, 0x86, 0x66, 0xe7, 0xe3, 0x1d, 0xc0, 0x10, 0x32, 0xfb,
		0x6c, 0xb6, 0x6f, 0x33, 0xc9, 0xc9, 0xff, 0x50, 0x6d, 0x0f, 0xde, 0x93,
		0x1e, 0xea, 0x19, 0x29,
	};
	struct ticket got = { 0 };

	EQ(ticket_open(key, span_of(sealed, TICKET_LEN), &got), 0);
	OK(handle_eq(got.alloc, sample.alloc));
	EQ(got.serial, sample.serial);
	EQ(got.worker, sample.worker);
}

/* RFC 8016 3.1.2: nobody can make or change one. Another length is no ticket at all. */
static void takes_no_forgery(void)
{
	struct rng rng = seeded(1);
	uint8_t sealed[TICKET_LEN + 1] = { 0 };
	struct ticket got = sample;

	EQ(ticket_seal(key, &sample, &rng, sealed), 0);
	for (size_t bit = 0; bit < TICKET_LEN * 8u; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		EQ(ticket_open(key, span_of(sealed, TICKET_LEN), &got), ERR_AUTH);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	EQ(ticket_open(other_key, span_of(sealed, TICKET_LEN), &got), ERR_AUTH);
	for (size_t n = 0; n <= TICKET_LEN + 1; n++)
		EQ(ticket_open(key, span_of(sealed, n), &got), n == TICKET_LEN ? 0 : ERR_MALFORMED);
	EQ(ticket_open(key, (struct span){ 0 }, &got), ERR_MALFORMED);
}

/* Two tickets of one allocation have nothing in common that a bystander could match. */
static void no_two_look_alike(void)
{
	struct rng rng = seeded(1);
	uint8_t a[TICKET_LEN], b[TICKET_LEN];
	int same = 0;

	EQ(ticket_seal(key, &sample, &rng, a), 0);
	EQ(ticket_seal(key, &sample, &rng, b), 0);
	for (size_t i = 0; i < TICKET_LEN; i++)
		same += a[i] == b[i];
	OK(same < 5);
}

/* The worker stands in the first byte as it goes over the wire, the rest differs. */
static void names_begin_with_the_worker(void)
{
	struct rng rng = seeded(1);

	for (int i = 0; i < 256; i++) {
		uint8_t wire[12], more[12];

		put_be64(wire, token_make((uint8_t)i, &rng));
		put_be32(wire + 8, connection_id_make((uint8_t)i, &rng));
		put_be64(more, token_make((uint8_t)i, &rng));
		put_be32(more + 8, connection_id_make((uint8_t)i, &rng));
		EQ(wire[0], i);
		EQ(wire[8], i);
		OK(memcmp(wire, more, 8) != 0);
		OK(memcmp(wire + 8, more + 8, 4) != 0);
	}
}

T_MAIN(T(opens_what_it_sealed), T(is_plain_aes_gcm), T(takes_no_forgery), T(no_two_look_alike),
       T(names_begin_with_the_worker))
