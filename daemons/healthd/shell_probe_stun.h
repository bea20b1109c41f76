/* SPDX-License-Identifier: AGPL-3.0-only */
/* For shell_probe_turn.c, which asks for a Binding when it has no secret. */
#ifndef HEALTHD_SHELL_PROBE_STUN_H
#define HEALTHD_SHELL_PROBE_STUN_H

#include "healthd/shell_probe_impl.h"

/* As probe_stun, under the name of another mode (static). */
int probe_stun_mode(const struct probe_env *e, const struct probe_stun *q, const char *mode, probe_fn *fn, void *arg,
		    struct probe **ret);

#endif
