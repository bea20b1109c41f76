/* SPDX-License-Identifier: AGPL-3.0-only */
/* libcurl set up once per process, with memory that is wiped when it is freed: it copies bearer tokens into requests of its own. */
#ifndef SYS_CURL_MEMORY_H
#define SYS_CURL_MEMORY_H

#include <stdbool.h>

/* Before anything else of libcurl; any thread, as often as one likes. False: no memory, nor later. */
bool curl_memory_init(void);

#endif
