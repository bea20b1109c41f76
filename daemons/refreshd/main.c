/* SPDX-License-Identifier: AGPL-3.0-only */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "refreshd/refreshd.h"
#include "sys/log.h"

#define OWNER "oxpulse-refreshd"

static const struct {
	const char *name;
	int (*run)(struct refreshd *d);
	bool as_owner; /* deals with the node's state */
} commands[] = {
	{ "register", cmd_register, true }, { "refresh", cmd_refresh, true }, { "rotate-sni", cmd_rotate, true },
	{ "render", cmd_render, true },     { "rollback", cmd_rollback, true }, { "recover", cmd_recover, true },
	{ "status", cmd_status, true },     { "front", cmd_front, false },
};

/* Root on the command line writes as the one user that owns the state, so that the timers can go on with it. */
static int become_owner(void)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(OWNER);
	if (!pw)
		return 0;
	if (initgroups(OWNER, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return log_err(-errno, "becoming the user " OWNER);
	return 0;
}

static int prepare(struct refreshd *d)
{
	int n = snprintf(d->st.lib, sizeof(d->st.lib), "%s", d->args.state);
	int m = snprintf(d->st.etc, sizeof(d->st.etc), "%s", d->args.config);
	unsigned long seconds;
	char *end;

	if ((size_t)n >= sizeof(d->st.lib) || (size_t)m >= sizeof(d->st.etc))
		return log_err(-ENAMETOOLONG, "--state, --config");
	if (!d->args.timeout)
		return 0;
	seconds = strtoul(d->args.timeout, &end, 10);
	if (*end || seconds == 0 || seconds > 600)
		return log_err(ERR_MALFORMED, "--timeout %s: seconds from 1 to 600", d->args.timeout);
	d->patience = DUR_SEC(seconds);
	return 0;
}

static int run(int argc, char **argv)
{
	static struct refreshd d = { .st.lock = -1 };
	int code = args_parse(argc, argv, &d.args);

	if (code >= 0)
		return code;
	log_open("refreshd", LOG_INFO);
	if (prepare(&d) < 0)
		return EX_USAGE;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(d.args.command, commands[i].name) != 0)
			continue;
		/* What only root may read is read first. */
		if (args_token(&d.args) < 0 || register_inputs(&d) < 0)
			return EX_NOINPUT;
		if (commands[i].as_owner && !d.args.moved && become_owner() < 0)
			return EX_NOPERM;
		code = commands[i].run(&d);
		args_done(&d.args);
		blob_done(&d.branding);
		blob_done(&d.manual);
		blob_done(&d.ca);
		return code;
	}
	fprintf(stderr, "refreshd: there is no command %s; see refreshd --help\n", d.args.command);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	return run(argc, argv);
}
