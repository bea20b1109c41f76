/* SPDX-License-Identifier: AGPL-3.0-only */
/* The types of channels there are: a new one is its file and a row. */
#include "tunneld/channel.h"

static const struct channel_type *const types[] = { &channel_tcp };

const struct channel_type *channel_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}

const char *channel_type_names(void)
{
	return "tcp";
}
