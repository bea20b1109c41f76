/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/sfud.h"
#include "sys/daemon_main.h"

static int load(void *arg, const char *path)
{
	struct sfud *d = arg;

	d->conf_path = path;
	return sfud_conf_load(path, &d->conf);
}

static int level(const void *d)
{
	return ((const struct sfud *)d)->conf.level;
}

static void dump(struct wr *w, const void *d)
{
	conf_dump(w, sfud_keys, &((const struct sfud *)d)->conf);
}

static void man(struct wr *w, const void *none)
{
	(void)none;
	conf_man(w, sfud_keys);
}

static int open_all(void *d)
{
	return sfud_open(d);
}

static int serve(void *d)
{
	return sfud_loop(d);
}

static void close_all(void *d)
{
	sfud_close(d);
}

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = { "sfud", SFUD_CONF_PATH, load, level, dump, man, open_all, serve, close_all };
	struct sfud d = { .udp = { .fd = -1 } };

	return daemon_main(&spec, &d, argc, argv);
}
