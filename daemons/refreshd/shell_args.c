/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_args.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/conf_file.h"
#include "sys/log.h"

#define TOKEN_VARIABLE "OXPULSE_PARTNER_TOKEN"

struct option_row {
	const char *name, *value; /* value NULL: a flag */
	size_t at;
	const char *help;
};
#define A(field) offsetof(struct args, field)

static const struct option_row options[] = {
	{ "partner-id", "ID", A(partner_id), "register: the partner's name at central" },
	{ "domain", "NAME", A(domain), "register: the node's public name" },
	{ "token", "TOKEN", 0,
	 "register: the one-time token; - reads one line of standard input; others can see it, so prefer --token-file" },
	{ "token-file", "FILE", A(token_file), "register: a file with the token; without one, $" TOKEN_VARIABLE },
	{ "region", "REGION", A(region), "register: where the node is, such as pl-waw" },
	{ "branding-config", "FILE", A(branding), "register: a JSON object that central keeps as the partner's branding" },
	{ "public-ip", "ADDRESS", A(public_ip), "register: the address that the Internet reaches this host by" },
	{ "private-ip", "ADDRESS", A(private_ip), "register: the address of this host's interface, where that is another one" },
	{ "central", "URL", A(central), "register: central's base URL" },
	{ "central-ca", "FILE", A(central_ca),
	 "register: certificates (PEM) that central's is verified with, instead of the system's" },
	{ "manual-config", "FILE", A(manual), "register: an answer of central's that was got another way; no token is used" },
	{ "force", NULL, A(force), "register: again, although the node is registered" },
	{ "dry-run", NULL, A(dry_run), "render: only say what would change" },
	{ "output", "DIR", A(output), "render: write the files there, apply nothing" },
	{ "json", NULL, A(json), "status: for programs" },
	{ "timeout", "SECONDS", A(timeout), "wait no longer than this for an answer of central's" },
	{ "config", "DIR", A(config), "instead of /etc/oxpulse-partner-edge" },
	{ "state", "DIR", A(state), "instead of /var/lib/oxpulse-partner-edge" },
	{ "run", "DIR", A(run), "instead of /run/oxpulse-partner-edge" },
	{ "share", "DIR", A(share), "instead of /usr/share/oxpulse-partner-edge" },
	{ "sbin", "DIR", A(sbin), "where the daemons' programs are; otherwise beside this one" },
};

static const char *const commands[][2] = {
	{ "register", "introduces this host to central and makes the first generation" },
	{ "refresh", "asks central for what is new and applies it" },
	{ "rotate-sni", "renders with today's date" },
	{ "render", "renders what is known and applies what differs" },
	{ "rollback [N]", "applies generation N, or the one before, as a new one" },
	{ "recover", "undoes an apply that a crash cut off" },
	{ "status", "tells the state; no secrets" },
	{ "front [-v VALUES]... [-t TEMPLATE] -o OUT [NAME=value]...", "fills nginx's configuration alone" },
};

static void print_help(void)
{
	puts("usage: refreshd COMMAND [--option=value | --option value]...\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %s\n        %s\n", commands[i][0], commands[i][1]);
	puts("");
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		printf("  --%s%s%s\n        %s\n", options[i].name, options[i].value ? "=" : "",
		       options[i].value ? options[i].value : "", options[i].help);
}

/* The options as mdoc list items. */
static void print_man(void)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const struct option_row *o = &options[i];

		printf(".It Fl -%s", o->name);
		if (o->value) {
			fputs(" Ns = Ns Ar ", stdout);
			for (const char *c = o->value; *c; c++)
				putchar(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
		}
		printf("\n%s.\n", o->help);
	}
}

static int usage(const char *text, const char *word)
{
	fprintf(stderr, "refreshd: %s%s; see refreshd --help\n", text, word);
	return EX_USAGE;
}

static const struct option_row *find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0)
			return &options[i];
	}
	return NULL;
}

static int take_token(struct args *a, char *text)
{
	int r;

	if (strcmp(text, "-") == 0) {
		char line[SECRET_MAX + 2];

		if (!fgets(line, sizeof(line), stdin))
			return usage("no token on standard input", "");
		line[strcspn(line, "\r\n")] = '\0';
		r = secret_set(&a->token, span_str(line));
		wipe(line, sizeof(line));
	} else {
		r = secret_set(&a->token, span_str(text));
		a->token_on_argv = true;
		memset(text, 'x', strlen(text));
	}
	if (r < 0 || a->token.n == 0)
		return usage("the token is empty or too long", "");
	return -1;
}

/* "--name=value", "--name value" or "--flag"; *i is the last word that was used. */
static int take_option(struct args *a, int argc, char **argv, int *i)
{
	char *name = argv[*i] + 2, *equals = strchr(name, '=');
	const struct option_row *o = find(name, equals ? (size_t)(equals - name) : strlen(name));
	char *value;

	if (!o)
		return usage("there is no option ", argv[*i]);
	if (!o->value) {
		if (equals)
			return usage("no value belongs to --", o->name);
		*(bool *)(void *)((char *)a + o->at) = true;
		return -1;
	}
	value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : NULL;
	if (!value)
		return usage("a value is missing for --", o->name);
	if (strcmp(o->name, "token") == 0)
		return take_token(a, value);
	*(const char **)(void *)((char *)a + o->at) = value;
	return -1;
}

static int take_front(struct args *a, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *value = NULL;

	if (word[0] == '-' && word[1] && strchr("vto", word[1]))
		value = word[2] ? word + 2 : *i + 1 < argc ? argv[++*i] : NULL;
	else if (word[0] == '-')
		return usage("front has no option ", word);
	if (word[0] == '-' && !value)
		return usage("a value is missing for ", word);
	if (!value && a->n_values < ARGS_VALUES_MAX)
		a->value[a->n_values++] = word;
	else if (value && word[1] == 't')
		a->template_file = value;
	else if (value && word[1] == 'o')
		a->output = value;
	else if (value && a->n_values_files < ARRAY_LEN(a->values_file))
		a->values_file[a->n_values_files++] = value;
	else
		return usage("too many values: ", word);
	return -1;
}

static int take_word(struct args *a, const char *word)
{
	if (!a->command)
		a->command = word;
	else if (strcmp(a->command, "rollback") == 0 && !a->number)
		a->number = word;
	else
		return usage("what is meant by ", word);
	return -1;
}

static void fill_in(struct args *a, const char *program)
{
	static char beside[512];
	const char *slash = strrchr(program, '/');

	a->moved = a->state || a->config || a->run;
	a->state = a->state ? a->state : "/var/lib/oxpulse-partner-edge";
	a->config = a->config ? a->config : "/etc/oxpulse-partner-edge";
	a->run = a->run ? a->run : "/run/oxpulse-partner-edge";
	a->share = a->share ? a->share : "/usr/share/oxpulse-partner-edge";
	if (a->sbin)
		return;
	a->sbin = "/usr/sbin";
	if (slash && (size_t)(slash - program) < sizeof(beside)) {
		memcpy(beside, program, (size_t)(slash - program));
		a->sbin = slash == program ? "/" : beside;
	}
}

int args_parse(int argc, char **argv, struct args *ret)
{
	int r = -1;

	for (int i = 1; i < argc && r < 0; i++) {
		bool front = ret->command && strcmp(ret->command, "front") == 0;

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help();
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("refreshd " EDGE_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--man") == 0) {
			print_man();
			return 0;
		}
		if (argv[i][0] == '-' && argv[i][1] == '-')
			r = take_option(ret, argc, argv, &i);
		else if (front)
			r = take_front(ret, argc, argv, &i);
		else if (argv[i][0] == '-')
			r = usage("there is no option ", argv[i]);
		else
			r = take_word(ret, argv[i]);
	}
	if (r < 0 && !ret->command)
		r = usage("no command", "");
	fill_in(ret, argv[0]);
	return r;
}

int args_unreadable(int r, const char *option, const char *path)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *user = pw ? pw->pw_name : "that runs this";

	if (r == -EACCES || r == -EPERM)
		log_at(LOG_ERR, NULL, "--%s %s cannot be read by the user %s: %s", option, path, user,
		       geteuid() ? "make it readable for that user, or run refreshd as root" : "copy it to where root can read it");
	else if (r == -ENOENT)
		log_at(LOG_ERR, NULL, "--%s %s: there is no such file; correct the path", option, path);
	else
		log_err(r, "--%s %s", option, path);
	return r;
}

static int read_token_file(struct args *a)
{
	char buf[1024];
	size_t n = 0, from = 0;
	int r = conf_file_read(a->token_file, buf, sizeof(buf), &n);

	if (r < 0)
		return args_unreadable(r, "token-file", a->token_file);
	while (n && strchr(" \t\r\n", buf[n - 1]))
		n--;
	while (from < n && strchr(" \t\r\n", buf[from]))
		from++;
	r = n > from ? secret_set(&a->token, span_of(buf + from, n - from)) : ERR_MISSING;
	wipe(buf, sizeof(buf));
	return r < 0 ? log_err(r, "--token-file %s holds no token", a->token_file) : 0;
}

int args_token(struct args *a)
{
	char *env = getenv(TOKEN_VARIABLE);
	int r = 0;

	if (a->token_on_argv)
		log_warn("a token on the command line can be seen by every user of this host; prefer --token-file, --token=- or $"
			 TOKEN_VARIABLE);
	if (a->token.n == 0 && a->token_file)
		r = read_token_file(a);
	else if (a->token.n == 0 && env && *env && secret_set(&a->token, span_str(env)) < 0)
		r = log_err(ERR_LIMIT, "$" TOKEN_VARIABLE);
	if (env) { /* in place, since /proc shows the memory itself */
		wipe(env, strlen(env));
		unsetenv(TOKEN_VARIABLE);
	}
	return r;
}

void args_done(struct args *a)
{
	secret_done(&a->token);
}
