/* SPDX-License-Identifier: AGPL-3.0-only */
/* The program oxpulse-partner-edge: what an operator asks a node. healthcheck works whether healthd is alive or not; status
 * and report ask it. The program answers to the existing system's names of its commands, too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "healthd/page/status_text.h"
#include "healthd/shell_check.h"
#include "sys/conf_file.h"
#include "sys/log.h"

#define OUT_MAX (256 * 1024)
#define ASK_TIMEOUT DUR_SEC(10)
#define REPORT_LIMIT DUR_SEC(45)
#define REPORT_LOOK DUR_MS(500)

struct options {
	const char *config;
	bool json, local, serveability;
};

static void usage(FILE *f)
{
	fputs("usage: oxpulse-partner-edge status [--json] [--config FILE]\n"
	      "       oxpulse-partner-edge healthcheck [--local] [--json] [--config FILE]\n"
	      "       oxpulse-partner-edge report [--serveability] [--config FILE]\n"
	      "       oxpulse-partner-edge --version | --help | --man\n"
	      "\n"
	      "  status        what healthd knows: channels, daemons, calls, certificates, last changes\n"
	      "  healthcheck   checks everything by bytes that come back; the exit status is the number of failures\n"
	      "  report        has healthd probe now and report to central; the timer's command\n"
	      "  --local       nothing leaves this host: no DNS, no central\n", f);
}

static int flush(const char *text, size_t n)
{
	return fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : EX_IOERR;
}

/* --- asking healthd ------------------------------------------------------------------------------------- */

struct reply {
	const struct options *o;
	int exit;
	uint64_t run;
	bool done;
	const char *socket;
};

/* True when healthd answered; otherwise says why not and sets the exit code. */
static bool answered(const struct varlink_answer *a, struct reply *p)
{
	if (a->r == 0)
		return true;
	if (a->r == -ENOENT || a->r == -ECONNREFUSED)
		fprintf(stderr, "healthd is not running (nobody listens on %s): systemctl start oxpulse-healthd; "
				"oxpulse-partner-edge healthcheck works without it\n", p->socket);
	else if (a->r == ERR_UNEXPECTED && strcmp(a->error, "org.varlink.service.PermissionDenied") == 0)
		fprintf(stderr, "healthd does not tell this user: run this as root\n");
	else if (a->r == ERR_UNEXPECTED)
		fprintf(stderr, "healthd answered %s\n", a->error);
	else
		fprintf(stderr, "healthd does not answer on %s: %s\n", p->socket, err_str(a->r));
	p->exit = EX_UNAVAILABLE;
	return false;
}

static void on_overview(const struct varlink_answer *a, void *arg)
{
	struct reply *p = arg;
	char *out;
	struct wr w;
	int at;

	if (!answered(a, p))
		return;
	at = json_get(a->doc, a->params, "overview");
	out = malloc(OUT_MAX);
	w = wr_from(out, out ? OUT_MAX : 0);
	if (p->o->json) {
		wr_span(&w, json_raw(a->doc, at));
		wr_str(&w, "\n");
	} else {
		status_text_write(a->doc, at, isatty(STDOUT_FILENO), &w);
	}
	p->exit = at < 0 || w.bad ? EX_SOFTWARE : flush(out, wr_len(&w));
	free(out);
}

static int command_status(const struct options *o, const struct healthd_conf *c)
{
	struct reply p = { .o = o, .socket = c->control_socket };

	(void)varlink_ask_wait(c->control_socket, "io.oxpulse.Health.Overview", span_of("", 0), ASK_TIMEOUT, on_overview, &p);
	return p.exit;
}

/* --- report --------------------------------------------------------------------------------------------- */

static void on_begun(const struct varlink_answer *a, void *arg)
{
	struct reply *p = arg;

	if (answered(a, p) && json_get_u64(a->doc, a->params, "run", &p->run) < 0)
		p->exit = EX_PROTOCOL;
}

/* "ch1=OK" for each tunnel: what upgrades of the existing system read. */
static void say_serveability(const struct varlink_answer *a)
{
	int list = json_get(a->doc, a->params, "channels");

	for (int at = json_first(a->doc, list); at >= 0; at = json_next(a->doc, list, at)) {
		char name[64];
		bool ok = false;

		if (json_get_str(a->doc, at, "name", name, sizeof(name), NULL) < 0 || strncmp(name, "ch", 2) != 0)
			continue;
		(void)json_get_bool(a->doc, at, "ok", &ok);
		printf("%.3s=%s\n", name, ok ? "OK" : "DOWN");
	}
}

/* Refused reports of our own are what an operator must look at; those about peers are not this unit's failure. */
static void say_reports(const struct varlink_answer *a, struct reply *p)
{
	int list = json_get(a->doc, a->params, "reports");
	bool no_token = false;
	char why[512];

	(void)json_get_bool(a->doc, a->params, "no_token", &no_token);
	p->exit = no_token;
	if (json_get_str(a->doc, a->params, "not_reported", why, sizeof(why), NULL) == 0 && why[0])
		printf("nothing reported: %s\n", why);
	for (int at = json_first(a->doc, list); at >= 0; at = json_next(a->doc, list, at)) {
		char name[64] = "", target[256] = "", verdict[16] = "";
		uint64_t status = 0;

		(void)json_get_str(a->doc, at, "name", name, sizeof(name), NULL);
		(void)json_get_str(a->doc, at, "target", target, sizeof(target), NULL);
		(void)json_get_str(a->doc, at, "verdict", verdict, sizeof(verdict), NULL);
		(void)json_get_u64(a->doc, at, "status", &status);
		printf("%s%s%s: %s (status %llu)\n", name, target[0] ? " of " : "", target, verdict,
		       (unsigned long long)status);
		if (strcmp(verdict, "refused") != 0 || target[0])
			continue;
		p->exit = 1;
		fprintf(stderr,
			"central refuses the report of %s with status %llu: the service token is not accepted; ask "
			"central's admin for partner-cli rotate-service-token\n",
			name, (unsigned long long)status);
	}
}

static void on_verdicts(const struct varlink_answer *a, void *arg)
{
	struct reply *p = arg;
	uint64_t run = 0;
	bool done = false;

	if (!answered(a, p))
		return;
	(void)json_get_u64(a->doc, a->params, "run", &run);
	(void)json_get_bool(a->doc, a->params, "done", &done);
	p->done = (run == p->run && done) || run != p->run; /* another run: ours is over, or healthd began anew */
	if (p->done && p->o->serveability)
		say_serveability(a);
	else if (p->done)
		say_reports(a, p);
}

/* A healthd that is not there is no failure of this unit: systemd says elsewhere that it is down. */
static int command_report(const struct options *o, const struct healthd_conf *c)
{
	mono_t until = mono_add(loop_clock(), REPORT_LIMIT);
	struct reply p = { .o = o, .socket = c->control_socket };

	(void)varlink_ask_wait(c->control_socket, "io.oxpulse.Health.Report", span_of("", 0), ASK_TIMEOUT, on_begun, &p);
	if (p.exit)
		return p.exit == EX_UNAVAILABLE ? 0 : p.exit;
	while (!p.done && !mono_reached(loop_clock(), until)) {
		loop_nap(REPORT_LOOK);
		(void)varlink_ask_wait(c->control_socket, "io.oxpulse.Health.Verdicts", span_of("", 0), ASK_TIMEOUT,
				       on_verdicts, &p);
		if (p.exit == EX_UNAVAILABLE)
			return 0;
	}
	if (!p.done)
		fprintf(stderr, "the run is still under way; the next one will tell\n");
	return p.exit;
}

/* --- healthcheck ---------------------------------------------------------------------------------------- */

static int command_healthcheck(const struct options *o, const struct healthd_conf *c)
{
	static struct checks t;
	char *out = malloc(OUT_MAX);
	struct wr w = wr_from(out, out ? OUT_MAX : 0);
	int r = out ? check_all(c, o->local, &t) : ERR_NOMEM;

	if (r < 0) {
		fprintf(stderr, "the checks could not run: %s\n", err_str(r));
		free(out);
		return EX_OSERR;
	}
	if (o->json)
		checks_write_json(&t, &w);
	else
		checks_write_text(&t, isatty(STDOUT_FILENO), &w);
	r = flush(out, wr_len(&w));
	free(out);
	return r ? r : checks_exit(&t);
}

/* --- options -------------------------------------------------------------------------------------------- */

static const struct command {
	const char *name, *alias; /* the program's own name then */
	int (*run)(const struct options *o, const struct healthd_conf *c);
} commands[] = {
	{ "status", "oxpulse-partner-edge-status", command_status },
	{ "healthcheck", "oxpulse-partner-edge-healthcheck", command_healthcheck },
	{ "report", "oxpulse-channels-health-report", command_report },
};

static const struct command *find(const char *name, bool alias)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(alias ? commands[i].alias : commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool parse_flag(struct options *o, const char *command, const char *word)
{
	if (strcmp(word, "--json") == 0 && strcmp(command, "report") != 0)
		o->json = true;
	else if (strcmp(word, "--local") == 0 && strcmp(command, "healthcheck") == 0)
		o->local = true;
	else if (strcmp(word, "--serveability") == 0 && strcmp(command, "report") == 0)
		o->serveability = true;
	else
		return strcmp(word, "--once") == 0 && strcmp(command, "report") == 0;
	return true;
}

static int parse(struct options *o, const char *command, char **word)
{
	for (; *word; word++) {
		if (strncmp(*word, "--config=", 9) == 0) {
			o->config = *word + 9;
		} else if (strcmp(*word, "--config") == 0 && word[1]) {
			o->config = *++word;
		} else if (!parse_flag(o, command, *word)) {
			fprintf(stderr, "%s: unknown option %s\n", command, *word);
			usage(stderr);
			return EX_USAGE;
		}
	}
	return 0;
}

/* What systemd would have handed to healthd; who may read the files may ask with them. */
static void find_secret(struct secret *s, const char *directory, const char *name)
{
	char path[2 * CONF_TEXT_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (s->n == 0 && access(path, R_OK) == 0)
		(void)healthd_conf_secret(path, s);
}

static void find_secrets(struct healthd_conf *c)
{
	char secrets[CONF_TEXT_MAX + 32];

	snprintf(secrets, sizeof(secrets), "%s/current/secrets", c->state_directory);
	find_secret(&c->turn_secret, secrets, "turn-secret");
	find_secret(&c->sfu_secret, secrets, "sfu-secret");
	find_secret(&c->token, c->config_directory, "token");
}

static int print_man(void)
{
	char out[16384];
	struct wr w = wr_from(out, sizeof(out));

	checks_write_man(&w);
	return w.bad ? EX_SOFTWARE : flush(out, wr_len(&w));
}

static int run(const struct command *c, char **word)
{
	CLEANUP(healthd_conf_done) struct healthd_conf conf = { 0 };
	struct options o = { 0 };
	int r = parse(&o, c->name, word);

	if (r)
		return r;
	if (healthd_conf_load(o.config, &conf) < 0)
		return EX_CONFIG;
	find_secrets(&conf);
	return c->run(&o, &conf);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const struct command *c = find(slash ? slash + 1 : argc ? argv[0] : "", true);
	const char *word = argc > 1 ? argv[1] : "";

	log_open("oxpulse-partner-edge", LOG_WARNING);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(word, "--version") == 0) {
		puts(EDGE_VERSION);
		return 0;
	}
	if (strcmp(word, "--man") == 0)
		return print_man();
	if (c)
		return run(c, argv + 1);
	c = find(word, false);
	if (c)
		return run(c, argv + 2);
	if (word[0])
		fprintf(stderr, "oxpulse-partner-edge: unknown command %s\n", word);
	else
		fputs("oxpulse-partner-edge: a command is needed\n", stderr);
	usage(stderr);
	return EX_USAGE;
}
