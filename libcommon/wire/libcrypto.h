/* SPDX-License-Identifier: AGPL-3.0-only */
/* libcrypto's headers. Their type ERR_STATE and our error of that name cannot both exist; theirs is deprecated anyway. */
#ifndef WIRE_LIBCRYPTO_H
#define WIRE_LIBCRYPTO_H

#define ERR_STATE ossl_err_state
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE

#endif
