/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Credentials of this service by name. systemd hands them out when the service starts ($CREDENTIALS_DIRECTORY, LoadCredential=) and
 * never again; refreshd hands over newer ones with Reload, and those win until the process ends. sys/conf_file reads both through
 * this, so nobody else need know. Belongs to the main thread.
 */
#ifndef SYS_CREDENTIAL_H
#define SYS_CREDENTIAL_H

#include "base/err.h"
#include "base/span.h"

#define CREDENTIALS_MAX 16
#define CREDENTIAL_NAME_MAX 64
#define CREDENTIAL_SIZE_MAX 8192

/* Newer bytes of a credential, kept in memory of ours. ERR_LIMIT (names, bytes); ERR_MALFORMED: no bytes, or a name of other than
 * letters, digits and "-_.@", or that begins with "."; ERR_NOMEM. */
int credential_put(const char *name, struct span bytes);
/* What was put last, or an empty span. Borrowed until the next put, commit, abort or drop. */
struct span credential_get(const char *name);
/* What is put from begin on counts at once; then it either replaces what was there (the reload went well) or is forgotten. */
void credential_begin(void);
void credential_commit(void);
void credential_abort(void);
/* Wipes all. */
void credential_drop_all(void);

#endif
