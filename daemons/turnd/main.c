/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_args.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "turnd/turnd.h"

static void write_dump(struct wr *w, const void *conf)
{
	conf_dump(w, turnd_keys, conf);
}

static void write_man(struct wr *w, const void *arg)
{
	(void)arg;
	conf_man(w, turnd_keys);
}

static int serve(struct turnd *d)
{
	int r = turnd_open(d); /* every listening descriptor, secret and thread we will ever need */

	if (r < 0)
		return notify_exit_code(r);
	notify_ready();
	r = turnd_loop(d); /* returns after SIGTERM or a drain */
	return notify_exit_code(r);
}

static int run(int argc, char **argv)
{
	CLEANUP(turnd_close) struct turnd d = { 0 };
	struct daemon_args args;
	int r = daemon_args_parse(argc, argv, "turnd", TURND_CONF_PATH, &args);

	if (r >= 0)
		return r;
	log_open("turnd", LOG_INFO);
	if (args.mode == DAEMON_MAN)
		return daemon_print(write_man, NULL);
	d.conf_path = args.path;
	if (turnd_conf_load(d.conf_path, &d.conf) < 0)
		return EX_CONFIG;
	log_set_level(d.conf.level);
	if (args.mode == DAEMON_DUMP)
		return daemon_print(write_dump, &d.conf);
	return args.mode == DAEMON_CHECK ? 0 : serve(&d);
}

int main(int argc, char **argv)
{
	return run(argc, argv);
}
