/* SPDX-License-Identifier: AGPL-3.0-only */
/* channels[] of the node document, and what its first element has to say about Reality. Pure. spec: control plane 2.2, 3.5. */
#ifndef REFRESHD_NODE_CHANNELS_H
#define REFRESHD_NODE_CHANNELS_H

#include "refreshd/node/node_read.h"

/* The names of a pool: blank ones left out. */
void node_names_read(struct node_in *in, int obj, const char *key, struct node_reality *ret);
/* The same without keeping them: are they all names? */
void node_names_check(struct node_in *in, int obj, const char *key);
/* n->channel from the document's `channels`; channels[0] overrides n->reality where it is vless-reality. A Reality channel without
 * an address has the document's backend_endpoint. n's flat fields are read already. */
void node_channels_read(struct node_in *in, int root, struct node *n);

#endif
