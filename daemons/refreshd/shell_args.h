/* SPDX-License-Identifier: AGPL-3.0-only */
/* The command line. Secrets on it are copied and then overwritten in place, so that /proc shows them no longer. */
#ifndef REFRESHD_SHELL_ARGS_H
#define REFRESHD_SHELL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"

#define ARGS_VALUES_MAX 64
#define ARGS_FILES_MAX 8

struct args {
	const char *command;
	const char *partner_id, *domain, *token_file, *region, *branding, *public_ip, *private_ip, *central, *central_ca, *manual,
		*output;
	const char *state, *config, *run, *share, *sbin; /* directories; never NULL after args_parse */
	const char *timeout;
	const char *number;                              /* of rollback */
	bool force, dry_run, json, moved;                /* moved: a directory was given, so this is no node's own tree */
	struct secret token;                             /* of --token, --token-file or the environment */
	bool token_on_argv;
	/* of front */
	const char *template_file;
	const char *values_file[ARGS_FILES_MAX];
	uint32_t n_values_files;
	const char *value[ARGS_VALUES_MAX];
	uint32_t n_values;
};

/* -1: go on; otherwise the exit code (help, version, man, usage errors). */
int args_parse(int argc, char **argv, struct args *ret);
/* --token, --token-file or $OXPULSE_PARTNER_TOKEN, in this order; args.token is unset when none was given. Logs; negative: cannot
 * be read. */
int args_token(struct args *a);
/* Why the file of an option cannot be read and what helps, in the log. Yields r. */
int args_unreadable(int r, const char *option, const char *path);
void args_done(struct args *a);

#endif
