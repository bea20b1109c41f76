/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/signal/ws_upgrade.h"

#include <openssl/evp.h>

#include "base/base64.h"

#define VERSION "13"
#define KEY_LEN 24 /* 16 bytes in base64 */

unsigned ws_upgrade_check(const struct http_head *h, struct span *ret_key)
{
	bool upgrade = false;
	struct span item, key;

	if (!span_is(h->method, "GET"))
		return 405;
	for (uint32_t pos = 0; http_head_list(h, "Connection", &pos, &item);)
		upgrade |= http_token_is(item, "upgrade");
	if (!upgrade || !http_token_is(http_head_get(h, "Upgrade"), "websocket"))
		return 426;
	if (!span_is(http_head_get(h, "Sec-WebSocket-Version"), VERSION))
		return 426;
	key = http_head_get(h, "Sec-WebSocket-Key");
	if (key.n != KEY_LEN) /* RFC 6455 1.3: decoding it is not necessary */
		return 400;
	*ret_key = key;
	return 101;
}

/* RFC 6455 4.2.2: SHA-1 of the key and a fixed text, in base64. */
static void write_proof(struct wr *w, struct span key)
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[KEY_LEN + sizeof(magic) - 1], digest[20];
	struct wr t = wr_from(text, sizeof(text));

	wr_span(&t, key);
	wr_str(&t, magic);
	if (t.bad || EVP_Digest(text, wr_len(&t), digest, NULL, EVP_sha1(), NULL) != 1)
		w->bad = true;
	base64_write(w, span_of(digest, sizeof(digest)));
}

void ws_upgrade_accept(struct wr *w, struct span key, const char *protocol)
{
	wr_str(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		  "Sec-WebSocket-Accept: ");
	write_proof(w, key);
	if (protocol) {
		wr_str(w, "\r\nSec-WebSocket-Protocol: ");
		wr_str(w, protocol);
	}
	wr_str(w, "\r\n\r\n");
}

static const char *status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 426, "Upgrade Required" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "Error";
}

void ws_upgrade_refuse(struct wr *w, unsigned status)
{
	wr_str(w, "HTTP/1.1 ");
	wr_dec(w, status);
	wr_str(w, " ");
	wr_str(w, status_text(status));
	if (status == 426)
		wr_str(w, "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: " VERSION);
	wr_str(w, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
