/* SPDX-License-Identifier: AGPL-3.0-only */
#include "healthd/healthd.h"
#include "sys/daemon_main.h"

static int load(void *arg, const char *path)
{
	struct healthd *d = arg;

	d->conf_path = path;
	return healthd_conf_load(path, &d->conf);
}

static int level(const void *d)
{
	return ((const struct healthd *)d)->conf.level;
}

static void dump(struct wr *w, const void *d)
{
	conf_dump(w, healthd_keys, &((const struct healthd *)d)->conf);
}

static void man(struct wr *w, const void *none)
{
	(void)none;
	conf_man(w, healthd_keys);
}

int main(int argc, char **argv)
{
	static struct healthd d; /* 24 hours of every probe are too large for a stack */
	static const struct daemon_spec spec = {
		.name = "healthd", .conf_path = HEALTHD_CONF_PATH, .load = load, .level = level, .dump = dump, .man = man,
		.open = healthd_open, .serve = healthd_serve, .close = healthd_close,
	};

	return daemon_main(&spec, &d, argc, argv);
}
