/* SPDX-License-Identifier: AGPL-3.0-only */
/* The public key that room tokens are signed under, in the one form in which it is stored. Pure. spec: control plane 3.2. */
#ifndef REFRESHD_SFU_KEY_H
#define REFRESHD_SFU_KEY_H

#include "base/err.h"
#include "base/span.h"

#define SFU_PEM_MAX 256

/* An Ed25519 public key as PEM, PEM with escaped line ends, base64 of DER, or base64 of the raw 32 bytes, perhaps within quotes and
 * white space; ret is canonical PEM with its NUL. ERR_MALFORMED: nothing else is a key. */
int sfu_key_canonical(struct span text, char ret[SFU_PEM_MAX]);

#endif
