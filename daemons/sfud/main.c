/* SPDX-License-Identifier: AGPL-3.0-only */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "sfud/sfud.h"
#include "sys/log.h"
#include "sys/notify.h"

enum mode { RUN, CHECK, DUMP, MAN };

static int usage(FILE *to, int code)
{
	fputs("usage: sfud [-n] [--dump] [-c FILE]\n"
	      "  -c, --config FILE  instead of " SFUD_CONF_PATH "\n"
	      "  -n, --check        check the configuration and exit\n"
	      "      --dump         print the configuration in force and exit\n"
	      "      --man          print the keys as a man page section and exit\n"
	      "      --version      print the version and exit\n", to);
	return code;
}

/* -1: go on; otherwise the exit code. */
static int args_parse(int argc, char **argv, const char **ret_path, enum mode *ret_mode)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'n' },
		{ "dump", no_argument, NULL, 'd' },         { "man", no_argument, NULL, 'm' },
		{ "version", no_argument, NULL, 'v' },      { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:nh", options, NULL)) != -1) {
		if (c == 'c')
			*ret_path = optarg;
		else if (c == 'n')
			*ret_mode = CHECK;
		else if (c == 'd')
			*ret_mode = DUMP;
		else if (c == 'm')
			*ret_mode = MAN;
		else if (c == 'v')
			return puts("sfud " EDGE_VERSION) < 0;
		else
			return usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : EX_USAGE);
	}
	return optind < argc ? usage(stderr, EX_USAGE) : -1;
}

static int print(void (*write)(struct wr *, const struct sfud_conf *), const struct sfud_conf *conf)
{
	static uint8_t text[65536];
	struct wr w = wr_from(text, sizeof(text));

	write(&w, conf);
	return w.bad || fwrite(text, 1, wr_len(&w), stdout) != wr_len(&w) ? EX_SOFTWARE : 0;
}

static void write_dump(struct wr *w, const struct sfud_conf *conf)
{
	conf_dump(w, sfud_keys, conf);
}

static void write_man(struct wr *w, const struct sfud_conf *conf)
{
	(void)conf;
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
	enum mode mode = RUN;
	int r = args_parse(argc, argv, &d.conf_path, &mode);

	if (r >= 0)
		return r;
	log_open("sfud", LOG_INFO);
	if (mode == MAN)
		return print(write_man, NULL);
	if (sfud_conf_load(d.conf_path, &d.conf) < 0)
		return EX_CONFIG;
	log_set_level(d.conf.level);
	if (mode == DUMP)
		return print(write_dump, &d.conf);
	return mode == CHECK ? 0 : serve(&d);
}

int main(int argc, char **argv)
{
	return run(argc, argv);
}
