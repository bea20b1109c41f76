/* SPDX-License-Identifier: AGPL-3.0-only */
/* Between begin and commit or abort, what is put lies in a table of its own in front of the other one: to take it back is to wipe
 * it, and neither way needs memory. */
#include "sys/credential.h"

#include <stdbool.h>

#include "base/secret.h"
#include "base/slab.h"

struct credential {
	char name[CREDENTIAL_NAME_MAX + 1]; /* "": free */
	uint8_t *p;
	size_t n;
};

static struct credential kept[CREDENTIALS_MAX], fresh[CREDENTIALS_MAX];
static bool begun;

static struct credential *find(struct credential *table, const char *name)
{
	for (size_t i = 0; i < CREDENTIALS_MAX; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static void drop(struct credential *c)
{
	if (c->p)
		wipe(c->p, c->n);
	mem_free(c->p);
	*c = (struct credential){ 0 };
}

static void drop_table(struct credential *table)
{
	for (size_t i = 0; i < CREDENTIALS_MAX; i++)
		drop(&table[i]);
}

/* What LoadCredential= could name. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > CREDENTIAL_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.@", c)))
			return false;
	}
	return true;
}

/* Whether a commit would find room for one more name. */
static bool has_room(void)
{
	size_t n = 0;

	for (size_t i = 0; i < CREDENTIALS_MAX; i++) {
		n += kept[i].name[0] != '\0';
		n += fresh[i].name[0] != '\0' && !find(kept, fresh[i].name);
	}
	return n < CREDENTIALS_MAX;
}

int credential_put(const char *name, struct span bytes)
{
	struct credential *table = begun ? fresh : kept, *c;
	uint8_t *p;

	if (!name_ok(name) || bytes.n == 0)
		return ERR_MALFORMED;
	if (bytes.n > CREDENTIAL_SIZE_MAX || (!find(kept, name) && !find(fresh, name) && !has_room()))
		return ERR_LIMIT;
	p = mem_alloc(bytes.n);
	if (!p)
		return ERR_NOMEM;
	memcpy(p, bytes.p, bytes.n);
	c = find(table, name);
	if (!c)
		c = find(table, "");
	drop(c);
	memcpy(c->name, name, strlen(name));
	c->p = p;
	c->n = bytes.n;
	return 0;
}

struct span credential_get(const char *name)
{
	const struct credential *c = NULL;

	if (name_ok(name)) {
		c = find(fresh, name);
		if (!c)
			c = find(kept, name);
	}
	return c ? span_of(c->p, c->n) : (struct span){ 0 };
}

void credential_begin(void)
{
	begun = true;
}

void credential_commit(void)
{
	for (size_t i = 0; i < CREDENTIALS_MAX; i++) {
		struct credential *c;

		if (fresh[i].name[0] == '\0')
			continue;
		c = find(kept, fresh[i].name);
		if (!c)
			c = find(kept, "");
		drop(c);
		*c = fresh[i];
		fresh[i] = (struct credential){ 0 };
	}
	begun = false;
}

void credential_abort(void)
{
	drop_table(fresh);
	begun = false;
}

void credential_drop_all(void)
{
	credential_abort();
	drop_table(kept);
}
