/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_main.h"

#include "sys/daemon_args.h"
#include "sys/log.h"
#include "sys/notify.h"

static int serve(const struct daemon_spec *s, void *d)
{
	int r = s->open(d);

	if (r < 0)
		return notify_exit_code(r);
	notify_ready();
	return notify_exit_code(s->serve(d));
}

static int run(const struct daemon_spec *s, void *d, const struct daemon_args *args)
{
	log_open(s->name, LOG_INFO);
	if (args->mode == DAEMON_MAN)
		return daemon_print(s->man, NULL);
	if (s->load(d, args->path) < 0)
		return EX_CONFIG;
	log_set_level(s->level(d));
	if (args->mode == DAEMON_DUMP)
		return daemon_print(s->dump, d);
	return args->mode == DAEMON_CHECK ? EX_OK : serve(s, d);
}

int daemon_main(const struct daemon_spec *s, void *d, int argc, char **argv)
{
	struct daemon_args args;
	int r = daemon_args_parse(argc, argv, s->name, s->conf_path, &args);

	if (r < 0)
		r = run(s, d, &args);
	s->close(d);
	return r;
}
