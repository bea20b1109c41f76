/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * JSON (RFC 8259) without allocation: a strict parser into caller-owned tokens, typed getters, and a
 * writer on top of struct wr. Bounds are the token array and JSON_DEPTH. Strings must be valid UTF-8;
 * duplicate keys, lone surrogates and U+0000 are malformed, so two readers cannot disagree.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/span.h"

#define JSON_DEPTH 16

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_tok {
	enum json_type type;
	uint32_t at, len;  /* text of the value; a string's without its quotes, still escaped */
	uint32_t skip;     /* index of the token after this value and all it contains */
	uint32_t children; /* array elements or object members */
};

/* A parsed document. Borrows text and tokens. */
struct json {
	struct span text;
	const struct json_tok *tok;
	uint32_t n;
};

/* Token index of the root is 0. A member is a string token (its key) followed by its value.
 * ERR_LIMIT: more tokens than max or deeper than JSON_DEPTH. ERR_MALFORMED otherwise. */
int json_parse(struct span text, struct json_tok *tok, uint32_t max, struct json *ret);

/* Index of the member's value, or -1 when obj is not an object or has no such member. */
int json_get(const struct json *j, int obj, const char *key);

/* First child of an array or object, next sibling; -1 at the end. For objects these are keys: value = key + 1. */
int json_first(const struct json *j, int at);
int json_next(const struct json *j, int parent, int at);

enum json_type json_type_of(const struct json *j, int at);

/* Typed values of member `key` of object `obj`: ERR_MISSING when absent, ERR_MALFORMED for another type or range. */
int json_get_u64(const struct json *j, int obj, const char *key, uint64_t *ret);
int json_get_bool(const struct json *j, int obj, const char *key, bool *ret);
/* The unescaped string in buf, NUL-terminated; ERR_LIMIT when it needs more than cap bytes with its NUL.
 * ret_n may be NULL. */
int json_get_str(const struct json *j, int obj, const char *key, char *buf, size_t cap, size_t *ret_n);

/* Unescapes the string token at `at` into w. */
void json_unescape(const struct json *j, int at, struct wr *w);
/* Value text exactly as written (for passing through). */
struct span json_raw(const struct json *j, int at);

/* Writer: commas are its business. `bad` of the wr is the only error. */
struct json_out {
	struct wr *w;
	uint32_t comma; /* bit d: the container at depth d already has an element */
	uint8_t depth;
	bool after_key;
};

struct json_out json_out(struct wr *w);
void jo_obj(struct json_out *o);
void jo_obj_end(struct json_out *o);
void jo_arr(struct json_out *o);
void jo_arr_end(struct json_out *o);
void jo_key(struct json_out *o, const char *key);
void jo_str(struct json_out *o, struct span s); /* escapes; the input must be UTF-8 */
void jo_u64(struct json_out *o, uint64_t v);
void jo_bool(struct json_out *o, bool v);
void jo_raw(struct json_out *o, struct span json);

#endif
