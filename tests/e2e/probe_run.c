/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * One kind of probe, several times one after the other, and what came of each as a line of JSON: for tests/e2e/test_probe.py.
 *
 *     probe_run turn|stun|sfu|peer|http [key=value...]
 *
 * Keys: at, media (addresses); transport (udp, tcp, tls); secret (a file); name, ca, url, socket, want; host, port, internal=yes;
 * timeout, cancel (ms: cancelled then); count; realm.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json.h"
#include "healthd/shell_probe.h"
#include "sys/conf_file.h"

struct run {
	const char *kind;
	int argc;
	char **argv;
	struct probe_env env;
	struct secret secret;
	struct probe *probe;
	struct timer *cancel, *again;
	unsigned long left;
	int failed;
};

static const char *arg_of(const struct run *r, const char *key, const char *dflt)
{
	size_t n = strlen(key);

	for (int i = 2; i < r->argc; i++)
		if (strncmp(r->argv[i], key, n) == 0 && r->argv[i][n] == '=')
			return r->argv[i] + n + 1;
	return dflt;
}

static unsigned long number_of(const struct run *r, const char *key, const char *dflt)
{
	return strtoul(arg_of(r, key, dflt), NULL, 10);
}

static struct addr addr_of(const struct run *r, const char *key)
{
	const char *text = arg_of(r, key, NULL);
	struct addr a = { 0 };

	if (text && addr_parse(span_str(text), &a) < 0) {
		fprintf(stderr, "%s=%s is no address\n", key, text);
		exit(64);
	}
	return a;
}

static enum probe_transport transport_of(const struct run *r)
{
	const char *t = arg_of(r, "transport", "udp");

	return strcmp(t, "tls") == 0 ? PROBE_TLS : strcmp(t, "tcp") == 0 ? PROBE_TCP : PROBE_UDP;
}

static void member(struct json_out *o, const char *key, const char *value)
{
	jo_key(o, key);
	jo_str(o, span_str(value));
}

static void print(const struct probe_result *p)
{
	char text[2048];
	struct wr w = wr_from(text, sizeof(text));
	struct json_out o = json_out(&w);

	jo_obj(&o);
	jo_key(&o, "ok");
	jo_bool(&o, p->ok);
	jo_key(&o, "us");
	jo_u64(&o, p->us);
	member(&o, "mode", p->mode);
	member(&o, "reason", p->reason);
	member(&o, "cause", p->cause);
	member(&o, "fix", p->fix);
	jo_key(&o, "until");
	jo_u64(&o, p->certificate_until.us / US_PER_SEC);
	jo_obj_end(&o);
	printf("%.*s\n", (int)wr_len(&w), text);
	fflush(stdout);
}

static void on_result(const struct probe_result *p, void *arg)
{
	struct run *r = arg;

	r->probe = NULL;
	timer_set(r->cancel, MONO_NEVER);
	print(p);
	r->failed |= !p->ok;
	timer_set(r->again, loop_now(r->env.loop));
}

static void on_cancel(void *arg)
{
	struct run *r = arg;

	probe_cancel(r->probe);
	r->probe = NULL;
	printf("{\"cancelled\":true}\n");
	fflush(stdout);
	timer_set(r->again, loop_now(r->env.loop));
}

static int begin(struct run *r)
{
	const char *name = arg_of(r, "name", NULL), *ca = arg_of(r, "ca", NULL);
	struct addr at = addr_of(r, "at");

	if (strcmp(r->kind, "turn") == 0)
		return probe_turn(
			&r->env,
			&(struct probe_turn){at, &r->secret, arg_of(r, "realm", NULL), transport_of(r), name, ca},
			on_result, r, &r->probe);
	if (strcmp(r->kind, "stun") == 0)
		return probe_stun(&r->env, &(struct probe_stun){ at, transport_of(r), name, ca }, on_result, r, &r->probe);
	if (strcmp(r->kind, "sfu") == 0)
		return probe_sfu(&r->env, &(struct probe_sfu){ at, &r->secret, addr_of(r, "media") }, on_result, r, &r->probe);
	if (strcmp(r->kind, "peer") == 0)
		return probe_peer(&r->env,
				  &(struct probe_peer){arg_of(r, "host", ""), (uint16_t)number_of(r, "port", "3478"),
						       transport_of(r), ca,
						       strcmp(arg_of(r, "internal", "no"), "yes") == 0},
				  on_result, r, &r->probe);
	return probe_http(&r->env,
			  &(struct probe_http){ { .url = arg_of(r, "url", ""), .ca_file = ca, .pin = arg_of(r, "pin", NULL),
						  .unix_socket = arg_of(r, "socket", NULL),
						  .handshake_only = strcmp(arg_of(r, "handshake", "no"), "yes") == 0 },
						arg_of(r, "want", NULL), arg_of(r, "what", "the test") },
			  on_result, r, &r->probe);
}

static void on_again(void *arg)
{
	struct run *r = arg;
	unsigned long cancel = number_of(r, "cancel", "0");
	int err;

	if (r->left-- == 0) {
		loop_stop(r->env.loop);
		return;
	}
	err = begin(r);
	if (err < 0) {
		fprintf(stderr, "%s: %s\n", r->kind, err_str(err));
		exit(70);
	}
	if (cancel)
		timer_set(r->cancel, mono_add(loop_now(r->env.loop), DUR_MS(cancel)));
}

int main(int argc, char **argv)
{
	CLEANUP(loop_freep) struct loop *loop = loop_new();
	struct run r = { .kind = argc > 1 ? argv[1] : "", .argc = argc, .argv = argv, .env = { .loop = loop } };
	const char *secret = arg_of(&r, "secret", NULL);

	if (!loop || (secret && conf_file_secret(secret, &r.secret) < 0)) {
		fprintf(stderr, "the secret cannot be read, or no memory\n");
		return 66;
	}
	r.env.http = http_client_new(loop);
	r.env.timeout_us = DUR_MS(number_of(&r, "timeout", "5000"));
	r.left = number_of(&r, "count", "1");
	r.cancel = loop_timer(loop, on_cancel, &r);
	r.again = loop_timer(loop, on_again, &r);
	if (!r.env.http || !r.cancel || !r.again)
		return 71;
	timer_set(r.again, loop_now(loop));
	if (loop_run(loop) < 0)
		return 70;
	http_client_free(r.env.http);
	secret_done(&r.secret);
	return r.failed;
}
