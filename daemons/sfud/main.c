/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/sfud.h"
#include "sys/daemon_args.h"
#include "sys/log.h"
#include "sys/notify.h"

static void write_dump(struct wr *w, const void *conf)
{
	conf_dump(w, sfud_keys, conf);
}

static void write_man(struct wr *w, const void *arg)
{
	(void)arg;
	conf_man(w, sfud_keys);
}

static int serve(struct sfud *d)
{
	int r = sfud_open(d); /* every descriptor and secret we will ever need */

	if (r < 0)
		return notify_exit_code(r);
	notify_ready();
	r = sfud_loop(d); /* returns after SIGTERM or a drain */
	return notify_exit_code(r);
}

static int run(int argc, char **argv)
{
	CLEANUP(sfud_close) struct sfud d = { .udp = { .fd = -1 } };
	struct daemon_args args;
	int r = daemon_args_parse(argc, argv, "sfud", SFUD_CONF_PATH, &args);

	if (r >= 0)
		return r;
	log_open("sfud", LOG_INFO);
	if (args.mode == DAEMON_MAN)
		return daemon_print(write_man, NULL);
	d.conf_path = args.path;
	if (sfud_conf_load(d.conf_path, &d.conf) < 0)
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
