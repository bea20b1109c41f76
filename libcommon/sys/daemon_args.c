/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_args.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static int usage(FILE *to, const char *name, const char *conf_path, int code)
{
	fprintf(to,
		"usage: %s [-n] [--dump] [-c FILE]\n"
		"  -c, --config FILE  instead of %s\n"
		"  -n, --check        check the configuration and exit\n"
		"      --dump         print the configuration in force and exit\n"
		"      --man          print the keys as a man page section and exit\n"
		"      --version      print the version and exit\n",
		name, conf_path);
	return code;
}

int daemon_args_parse(int argc, char **argv, const char *name, const char *conf_path, struct daemon_args *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'n' },
		{ "dump", no_argument, NULL, 'd' },         { "man", no_argument, NULL, 'm' },
		{ "version", no_argument, NULL, 'v' },      { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*ret = (struct daemon_args){ .mode = DAEMON_RUN };
	while ((c = getopt_long(argc, argv, "c:nh", options, NULL)) != -1) {
		if (c == 'c')
			ret->path = optarg;
		else if (c == 'n')
			ret->mode = DAEMON_CHECK;
		else if (c == 'd')
			ret->mode = DAEMON_DUMP;
		else if (c == 'm')
			ret->mode = DAEMON_MAN;
		else if (c == 'v')
			return printf("%s " EDGE_VERSION "\n", name) < 0;
		else
			return usage(c == 'h' ? stdout : stderr, name, conf_path, c == 'h' ? 0 : EX_USAGE);
	}
	return optind < argc ? usage(stderr, name, conf_path, EX_USAGE) : -1;
}

int daemon_print(void (*write)(struct wr *w, const void *arg), const void *arg)
{
	static uint8_t text[65536];
	struct wr w = wr_from(text, sizeof(text));

	write(&w, arg);
	return w.bad || fwrite(text, 1, wr_len(&w), stdout) != wr_len(&w) ? EX_SOFTWARE : 0;
}
