/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Configuration: the systemd-style grammar ([Section], Key=value, # and ; comments, a trailing backslash
 * continues) and the key table that each daemon has exactly one of. The table yields parsing, defaults,
 * --dump, the man page section and the suggestion for a misspelt key. Pure: bytes in, struct out.
 */
#ifndef WIRE_CONF_H
#define WIRE_CONF_H

#include "base/addr.h"
#include "base/err.h"
#include "base/mono.h"

#define CONF_TEXT_MAX 256
#define CONF_LIST_MAX 8
#define CONF_SET_MAX 64
#define CONF_TEXTS_MAX 4

/* A value that did not parse, a key nobody knows: where and why, in words an operator can act on. */
struct conf_diag {
	const char *file; /* borrowed */
	unsigned line;    /* 0: the environment or the whole file */
	char text[240];   /* "unknown key Media.Prot; did you mean Media.Port?" */
};

struct conf_addr_list {
	struct addr a[CONF_LIST_MAX];
	uint32_t n;
};

struct conf_addr_set {
	struct addr a[CONF_SET_MAX];
	uint32_t n;
};

/* For addr_in_prefix: no port, no bit set behind len. */
struct conf_prefix {
	struct addr ip;
	uint8_t len; /* in the family of ip */
};

struct conf_prefix_set {
	struct conf_prefix p[CONF_SET_MAX];
	uint32_t n;
};

struct conf_text_list {
	char t[CONF_TEXTS_MAX][CONF_TEXT_MAX];
	uint32_t n;
};

/* Parses text into `field` (the type's own memory, zeroed unless it appends); otherwise writes a reason into `why` and
 * returns ERR_MALFORMED. */
typedef int conf_parse_fn(struct span text, void *field, struct wr *why);
/* The inverse, for --dump: parse(write(x)) == x. */
typedef void conf_write_fn(struct wr *w, const void *field);

struct conf_type {
	const char *name; /* "port", "duration", …: for the man page */
	conf_parse_fn *parse;
	conf_write_fn *write;
	size_t size;
	bool appends; /* each assignment adds words to a list, whose default is empty */
};

/* The types, with the memory of a field: uint16_t, uint32_t, uint64_t, uint64_t (us), bool, struct addr,
 * struct conf_addr_list, char[CONF_TEXT_MAX]. */
extern const struct conf_type conf_port, conf_u32, conf_u64, conf_duration, conf_bool, conf_addr, conf_addrs, conf_text;
/* Those that append: struct conf_addr_set, struct conf_prefix_set, struct conf_text_list. Words are separated by blanks
 * or commas and contain neither. */
extern const struct conf_type conf_addr_set, conf_prefixes, conf_texts;

/* A table ends with { 0 }. */
struct conf_key {
	const char *key; /* "Section.Key" */
	const struct conf_type *type;
	size_t at;       /* offset in the daemon's struct */
	const char *dflt; /* "" or NULL: zeroed memory; the only one of a type that appends */
	const char *env; /* variable of the existing system, or NULL; empty counts as unset */
	const char *help; /* one line, for --dump and the man page */
};

/* Fills every field with its default. The table is trusted: a default that does not parse is ERR_MALFORMED. */
int conf_defaults(const struct conf_key *keys, void *conf, struct conf_diag *diag);

/* One file's text on top of what conf holds. Later assignments win, or add to the list if the type appends; an empty
 * value resets to the default. On error conf may be partly written: parse into a fresh struct. ERR_MALFORMED with
 * *diag. */
int conf_apply(const struct conf_key *keys, const char *file, struct span text, void *conf, struct conf_diag *diag);

/* The environment: getenv is passed in so that tests need none. Applied after defaults, before files. */
int conf_apply_env(const struct conf_key *keys, const char *(*get)(const char *name), void *conf,
		   struct conf_diag *diag);

/* The whole configuration as a file that parses back to itself, with help as comments. */
void conf_dump(struct wr *w, const struct conf_key *keys, const void *conf);

/* Those of `names` (NULL-ended) whose values differ, space separated, into w: what only a restart applies. */
void conf_changed(const struct conf_key *keys, const char *const *names, const void *old, const void *new, struct wr *w);

/* The keys as mdoc list items for the man page. */
void conf_man(struct wr *w, const struct conf_key *keys);

#endif
