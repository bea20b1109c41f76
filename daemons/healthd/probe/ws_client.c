/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/probe/ws_client.h"

#include <openssl/evp.h>

#include "base/base64.h"
#include "wire/ascii.h"

#define KEY_BYTES 16
#define PROOF_LEN 28 /* base64 of a SHA-1 */
#define CONTROL_MAX 125
#define FIN 0x80
#define RESERVED 0x70
#define MASKED 0x80
#define NO_CODE 1005

/* --- the opening handshake ---------------------------------------------------------------------------------------- */

void ws_client_key(struct rng *rng, char ret[WS_CLIENT_KEY_LEN + 1])
{
	struct wr w = wr_from(ret, WS_CLIENT_KEY_LEN);
	uint8_t nonce[KEY_BYTES];

	rng_bytes(rng, nonce, sizeof(nonce));
	base64_write(&w, span_of(nonce, sizeof(nonce)));
	ret[WS_CLIENT_KEY_LEN] = '\0';
}

void ws_client_request(struct wr *w, struct span host, struct span path, const char *key, struct span protocols)
{
	wr_str(w, "GET ");
	wr_span(w, path);
	wr_str(w, " HTTP/1.1\r\nHost: ");
	wr_span(w, host);
	wr_str(w, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	wr_str(w, key);
	wr_str(w, "\r\nSec-WebSocket-Protocol: ");
	wr_span(w, protocols);
	wr_str(w, "\r\n\r\n");
}

/* RFC 6455 4.1: what the server makes of the key. False: no digest is to be had. */
static bool proof_of(const char *key, char ret[PROOF_LEN])
{
	uint8_t joined[WS_CLIENT_KEY_LEN + 36], sha1[20];
	struct wr in = wr_from(joined, sizeof(joined)), out = wr_from(ret, PROOF_LEN);
	unsigned n;

	wr_str(&in, key);
	wr_str(&in, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	if (in.bad || !EVP_Digest(joined, wr_len(&in), sha1, &n, EVP_sha1(), NULL))
		return false;
	base64_write(&out, span_of(sha1, n));
	return !out.bad;
}

/* A line without its end; false when that is not there. */
static bool take_line(struct span *in, struct span *ret)
{
	const uint8_t *end = in->n ? memmem(in->p, in->n, "\r\n", 2) : NULL;

	if (!end)
		return false;
	*ret = span_of(in->p, (size_t)(end - in->p));
	*in = span_of(end + 2, in->n - ret->n - 2);
	return true;
}

static int status_line(struct span line, uint16_t *ret)
{
	static const char version[] = "HTTP/1.1 ";
	const size_t n = sizeof(version) - 1;
	uint16_t status = 0;

	if (line.n < n + 3 || memcmp(line.p, version, n) != 0 || (line.n > n + 3 && line.p[n + 3] != ' '))
		return ERR_MALFORMED;
	for (size_t i = n; i < n + 3; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return ERR_MALFORMED;
		status = (uint16_t)(status * 10 + line.p[i] - '0');
	}
	if (status < 100 || status > 599)
		return ERR_MALFORMED;
	*ret = status;
	return 0;
}

static bool is_field(struct span line, const char *name, struct span *ret)
{
	const size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || !ascii_same(span_of(line.p, n), span_str(name)))
		return false;
	*ret = ascii_trim(span_of(line.p + n + 1, line.n - n - 1));
	return true;
}

int ws_client_response(struct span in, const char *key, struct ws_response *ret)
{
	struct span rest = in, line, v;
	struct ws_response r = { 0 };
	bool upgrade = false, proven = false;
	char proof[PROOF_LEN];
	int err;

	if (!take_line(&rest, &line))
		return in.n >= WS_CLIENT_HEAD_MAX ? ERR_LIMIT : ERR_SHORT;
	err = status_line(line, &r.status);
	if (err < 0)
		return err;
	if (!proof_of(key, proof))
		return ERR_NOMEM;
	for (;;) {
		if (!take_line(&rest, &line))
			return in.n >= WS_CLIENT_HEAD_MAX ? ERR_LIMIT : ERR_SHORT;
		if (line.n == 0)
			break;
		if (is_field(line, "Upgrade", &v))
			upgrade = ascii_same(v, SPAN_LIT("websocket"));
		if (is_field(line, "Sec-WebSocket-Accept", &v))
			proven = span_eq(v, span_of(proof, sizeof(proof)));
	}
	r.accepted = r.status == 101 && upgrade && proven;
	r.len = (size_t)(rest.p - in.p);
	*ret = r;
	return 0;
}

/* --- frames ------------------------------------------------------------------------------------------------------- */

/*
 *   0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
 *  |F|R R R|  op   |M|   length    |   RFC 6455 5.2; length 126: in the next 2 bytes, 127: in the next 8
 */
static int take_frame(struct rd *r, uint8_t *ret_first, struct span *ret_body)
{
	uint8_t first = rd_u8(r), second = rd_u8(r);
	uint64_t n = second & 0x7f;

	if (r->bad)
		return ERR_SHORT;
	if ((first & RESERVED) || (second & MASKED) || ((first & 8) && (n > CONTROL_MAX || !(first & FIN))))
		return ERR_MALFORMED;
	if (n >= 126)
		n = n == 126 ? rd_be16(r) : rd_be64(r);
	if (r->bad)
		return ERR_SHORT;
	if (n > WS_CLIENT_MESSAGE_MAX)
		return ERR_LIMIT;
	*ret_body = rd_span(r, (size_t)n);
	*ret_first = first;
	return r->bad ? ERR_SHORT : 0;
}

static int join(struct ws_client *c, uint8_t first, struct ws_frame *f)
{
	enum ws_opcode op = first & 15;

	if ((op == WS_OP_CONTINUE) != c->in_message)
		return ERR_MALFORMED;
	if (op != WS_OP_CONTINUE) {
		c->n = 0;
		c->text = op == WS_OP_TEXT;
	}
	if (f->body.n > sizeof(c->message) - c->n)
		return ERR_LIMIT;
	if (f->body.n)
		memcpy(c->message + c->n, f->body.p, f->body.n);
	c->n += f->body.n;
	c->in_message = !(first & FIN);
	f->op = !c->in_message && c->text ? WS_OP_TEXT : WS_OP_CONTINUE;
	f->body = f->op == WS_OP_TEXT ? span_of(c->message, c->n) : (struct span){ 0 };
	return 0;
}

int ws_client_next(struct ws_client *c, struct span in, struct ws_frame *ret)
{
	struct rd r = rd_from(in);
	struct ws_frame f = { 0 };
	uint8_t first;
	int err;

	err = take_frame(&r, &first, &f.body);
	if (err < 0)
		return err;
	f.len = (size_t)(r.p - in.p);
	f.op = (enum ws_opcode)(first & 15);
	switch (f.op) {
	case WS_OP_CONTINUE:
	case WS_OP_TEXT:
	case WS_OP_BINARY:
		err = join(c, first, &f);
		break;
	case WS_OP_CLOSE:
		f.close = f.body.n >= 2 ? be16_at(f.body.p) : NO_CODE;
		err = f.body.n == 1 ? ERR_MALFORMED : 0;
		break;
	case WS_OP_PING:
	case WS_OP_PONG:
		break;
	default:
		err = ERR_MALFORMED;
	}
	if (err < 0)
		return err;
	*ret = f;
	return 0;
}

void ws_client_put(struct wr *w, enum ws_opcode op, struct span body, struct rng *rng)
{
	uint8_t mask[4], *p;

	rng_bytes(rng, mask, sizeof(mask));
	wr_u8(w, (uint8_t)(FIN | op));
	if (body.n < 126) {
		wr_u8(w, (uint8_t)(MASKED | body.n));
	} else if (body.n <= UINT16_MAX) {
		wr_u8(w, MASKED | 126);
		wr_be16(w, (uint16_t)body.n);
	} else {
		wr_u8(w, MASKED | 127);
		wr_be64(w, body.n);
	}
	wr_bytes(w, mask, sizeof(mask));
	p = wr_take(w, body.n);
	for (size_t i = 0; p && i < body.n; i++)
		p[i] = body.p[i] ^ mask[i % 4];
}

void ws_client_put_close(struct wr *w, uint16_t code, struct rng *rng)
{
	uint8_t body[2];

	put_be16(body, code);
	ws_client_put(w, WS_OP_CLOSE, span_of(body, sizeof(body)), rng);
}
