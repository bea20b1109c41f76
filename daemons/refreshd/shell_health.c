/* SPDX-License-Identifier: AGPL-3.0-only */
/* What the node's health check says before and after an apply: {"checks":[{"name":"...","state":"ok|fail|warn|skip"}]}. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/slab.h"
#include "refreshd/refreshd.h"
#include "refreshd/shell_spawn.h"
#include "sys/log.h"

#define LIMIT DUR_SEC(60)
#define OUTPUT_MAX 65536
#define TOKENS_MAX 2048

static void read_checks(const struct json *j, struct health *ret)
{
	int list = json_get(j, 0, "checks");

	if (list < 0 || json_type_of(j, list) != JSON_ARRAY)
		return;
	for (int at = json_first(j, list); at >= 0 && ret->n < HEALTH_CHECKS_MAX; at = json_next(j, list, at)) {
		char state[8] = "";

		if (json_get_str(j, at, "name", ret->check[ret->n].name, sizeof(ret->check[0].name), NULL) < 0)
			continue;
		(void)json_get_str(j, at, "state", state, sizeof(state), NULL);
		ret->check[ret->n].ok = strcmp(state, "ok") == 0;
		ret->check[ret->n].failed = strcmp(state, "fail") == 0;
		ret->n++;
	}
}

void health_look(const struct refreshd *d, struct health *ret)
{
	CLEANUP(blob_done) struct blob out = { 0 }, tok = { 0 };
	char program[DISK_PATH_MAX];
	struct json j;
	int r = disk_path(program, "%s/oxpulse-partner-edge-healthcheck", d->args.sbin);

	*ret = (struct health){ 0 };
	if (r < 0 || access(program, X_OK) < 0 || blob_room(&out, OUTPUT_MAX) < 0 ||
	    blob_room(&tok, TOKENS_MAX * sizeof(struct json_tok)) < 0)
		return;
	r = spawn_wait((const char *const[]){ program, "--local", "--json", NULL },
		       (const char *const[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL }, LIMIT, (char *)out.p, out.cap);
	if (r < 0) {
		log_err(r, "%s", program);
		return;
	}
	r = json_parse(span_str((const char *)out.p), (struct json_tok *)(void *)tok.p, TOKENS_MAX, &j);
	if (r < 0)
		log_err(r, "what %s printed", program);
	else
		read_checks(&j, ret);
}

const char *health_worse(const struct health *before, const struct health *now)
{
	for (uint32_t i = 0; i < before->n; i++) {
		for (uint32_t k = 0; k < now->n && before->check[i].ok; k++) {
			if (strcmp(before->check[i].name, now->check[k].name) == 0 && now->check[k].failed)
				return now->check[k].name;
		}
	}
	return NULL;
}
