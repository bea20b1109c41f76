/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/daemon_main.h"
#include "turnd/turnd.h"

static int load(void *arg, const char *path)
{
	struct turnd *d = arg;

	d->conf_path = path;
	return turnd_conf_load(path, &d->conf);
}

static int level(const void *d)
{
	return ((const struct turnd *)d)->conf.level;
}

static void dump(struct wr *w, const void *d)
{
	conf_dump(w, turnd_keys, &((const struct turnd *)d)->conf);
}

static void man(struct wr *w, const void *none)
{
	(void)none;
	conf_man(w, turnd_keys);
}

static int open_all(void *d)
{
	return turnd_open(d);
}

static int serve(void *d)
{
	return turnd_loop(d);
}

static void close_all(void *d)
{
	turnd_close(d);
}

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = { "turnd", TURND_CONF_PATH, load, level, dump, man, open_all, serve, close_all };
	struct turnd d = { 0 };

	return daemon_main(&spec, &d, argc, argv);
}
