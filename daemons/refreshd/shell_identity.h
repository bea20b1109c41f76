/* SPDX-License-Identifier: AGPL-3.0-only */
/* Files of this node's identity in <etc>: reality.{priv,pub,uuid}, awg-{private,public}.key. Made once, never overwritten. */
#ifndef REFRESHD_SHELL_IDENTITY_H
#define REFRESHD_SHELL_IDENTITY_H

#include "refreshd/central/keygen.h"

struct identity {
	char reality_public[KEYGEN_TEXT], uuid[40], awg_public[KEYGEN_TEXT];
};

/* Those that are there, or new ones. Logs: an identity of which only a part is there or fits is an error that lists the files. */
int identity_load(const char *etc, struct identity *ret);

#endif
