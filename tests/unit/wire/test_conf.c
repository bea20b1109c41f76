/* SPDX-License-Identifier: AGPL-3.0-only */
#include "wire/conf.h"

#include "t.h"

struct demo {
	uint16_t port;
	uint32_t peers;
	uint64_t idle;
	bool relay;
	struct addr listen;
	struct conf_addr_list nat;
	char name[CONF_TEXT_MAX];
	struct conf_addr_set relays;
	struct conf_prefix_set denied;
	struct conf_text_list secrets;
};

static const struct conf_key list_keys[] = {
	{ "Peer.Relays", &conf_addr_set, offsetof(struct demo, relays), NULL, "DEMO_RELAYS", "one" },
	{ "Peer.Denied", &conf_prefixes, offsetof(struct demo, denied), "", NULL, "two" },
	{ "Auth.SecretFile", &conf_texts, offsetof(struct demo, secrets), NULL, NULL, "three" },
	{ 0 },
};

static const struct conf_key keys[] = {
	{ "Media.Port", &conf_port, offsetof(struct demo, port), "3478", "DEMO_PORT", "UDP port of all media" },
	{ "Media.MaxPeers", &conf_u32, offsetof(struct demo, peers), "500", NULL, "refused beyond this" },
	{ "Media.IdleTimeout", &conf_duration, offsetof(struct demo, idle), "30s", NULL, "silence that ends a peer" },
	{ "Media.NatAddresses", &conf_addrs, offsetof(struct demo, nat), "", "DEMO_NAT", "what the world sees" },
	{ "Relay.Enable", &conf_bool, offsetof(struct demo, relay), "yes", NULL, "cascade to other edges" },
	{ "Relay.Listen", &conf_addr, offsetof(struct demo, listen), "127.0.0.1:8912", "DEMO_RELAY", ".dots and \\slashes" },
	{ "Relay.Name", &conf_text, offsetof(struct demo, name), NULL, "DEMO_NAME", "shown to others" },
	{ 0 },
};

static int apply(struct span text, struct demo *c, struct conf_diag *d)
{
	memset(c, 0, sizeof(*c));
	EQ(conf_defaults(keys, c, d), 0);
	return conf_apply(keys, "demo.conf", text, c, d);
}

/* Compared by what a dump says, so that one string is the whole expectation. */
static struct span values_of(const struct demo *c, uint8_t *buf, size_t n)
{
	struct wr w = wr_from(buf, n);

	for (const struct conf_key *k = keys; k->key; k++) {
		if (w.p != w.start)
			wr_str(&w, "|");
		k->type->write(&w, (const char *)c + k->at);
	}
	return wr_span_of(&w);
}

#define DEFAULTS "3478|500|30s||yes|127.0.0.1:8912|"

/* Every key has its default before any file is read. */
static void defaults_fill_every_field(void)
{
	struct demo c;
	struct conf_diag d;
	uint8_t buf[512];

	EQ(apply(SPAN_LIT(""), &c, &d), 0);
	EQ_SPAN(values_of(&c, buf, sizeof(buf)), SPAN_LIT(DEFAULTS));
	EQ(c.port, 3478);
	EQ(c.idle, DUR_SEC(30));
	OK(c.relay);
	EQ(c.nat.n, 0);
}

/* A default that does not parse is our own mistake, and told. */
static void bad_default_is_told(void)
{
	static const struct conf_key bad[] = { { "A.Port", &conf_port, 0, "70000", NULL, "" }, { 0 } };
	uint16_t port;
	struct conf_diag d;

	EQ(conf_defaults(bad, &port, &d), ERR_MALFORMED);
	EQ_STR(d.file, "built-in default");
	EQ(d.line, 0);
	EQ_STR(d.text, "A.Port: not a port number (0 to 65535)");
}

/* systemd.syntax(7): sections, comments, white space, continuation; later assignments win, empty ones reset. */
static void files_are_read(void)
{
	const struct {
		const char *row;
		struct span in;
		const char *want;
	} rows[] = {
		{ "one key: ", SPAN_LIT("[Media]\nPort=1\n"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "no line end: ", SPAN_LIT("[Media]\nPort=1"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "CRLF: ", SPAN_LIT("[Media]\r\nPort=1\r\n\r\n"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "byte order mark: ", SPAN_LIT("\xef\xbb\xbf[Media]\nPort=1\n"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "white space: ", SPAN_LIT(" \t[ Media ] \n\t Port \t=  1 \t\n"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "comments: ", SPAN_LIT("# a\n;b\n[Media]\n # Port=2\n;Port=3\n"), DEFAULTS },
		{ "a comment is not continued: ", SPAN_LIT("[Media]\n# a \\\nPort=1\n"), "1|500|30s||yes|127.0.0.1:8912|" },
		{ "last one wins: ", SPAN_LIT("[Media]\nPort=1\nPort=2\n"), "2|500|30s||yes|127.0.0.1:8912|" },
		{ "section again: ", SPAN_LIT("[Media]\nPort=1\n[Relay]\nEnable=no\n[Media]\nPort=2\n"),
		  "2|500|30s||no|127.0.0.1:8912|" },
		{ "empty resets: ", SPAN_LIT("[Media]\nPort=1\nPort=\n[Relay]\nName=x\nName=\n"), DEFAULTS },
		{ "a list is replaced: ", SPAN_LIT("[Media]\nNatAddresses=192.0.2.1 192.0.2.2\nNatAddresses=192.0.2.3\n"),
		  "3478|500|30s|192.0.2.3|yes|127.0.0.1:8912|" },
		{ "text keeps its inside: ", SPAN_LIT("[Relay]\nName= a = b # c ; [d] \n"),
		  "3478|500|30s||yes|127.0.0.1:8912|a = b # c ; [d]" },
		{ "continuation: ", SPAN_LIT("[Media]\nNatAddresses=192.0.2.1 \\\n   192.0.2.2\n"),
		  "3478|500|30s|192.0.2.1 192.0.2.2|yes|127.0.0.1:8912|" },
		{ "continuation, CRLF: ", SPAN_LIT("[Media]\r\nNatAddresses=192.0.2.1\\\r\n192.0.2.2\r\n"),
		  "3478|500|30s|192.0.2.1 192.0.2.2|yes|127.0.0.1:8912|" },
		{ "comment in a continuation: ", SPAN_LIT("[Relay]\nName=a\\\n# no\\\n;no\nb\n"),
		  "3478|500|30s||yes|127.0.0.1:8912|a b" },
		{ "empty line ends it: ", SPAN_LIT("[Relay]\nName=a\\\n\nEnable=no\n"),
		  "3478|500|30s||no|127.0.0.1:8912|a" },
		{ "end of file ends it: ", SPAN_LIT("[Relay]\nName=a\\"), "3478|500|30s||yes|127.0.0.1:8912|a" },
		{ "nothing but a backslash: ", SPAN_LIT("\\"), DEFAULTS },
		{ "value on the next line: ", SPAN_LIT("[Relay]\nName=\\\nx\n"), "3478|500|30s||yes|127.0.0.1:8912|x" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[512];
		struct conf_diag d = { .text = "" };
		struct demo c;

		t_row = rows[i].row;
		EQ(apply(rows[i].in, &c, &d), 0);
		EQ_STR(d.text, "");
		EQ_SPAN(values_of(&c, buf, sizeof(buf)), span_str(rows[i].want));
	}
}

/* What does not parse names its line and its reason, and the nearest thing that exists. */
static void mistakes_are_explained(void)
{
	const struct {
		struct span in;
		unsigned line;
		const char *want;
	} rows[] = {
		{ SPAN_LIT("[Media]\nPrt=1\n"), 2, "unknown key Media.Prt; did you mean Media.Port?" },
		{ SPAN_LIT("[Media]\n\nProt=1\n"), 3, "unknown key Media.Prot; did you mean Media.Port?" },
		{ SPAN_LIT("[Media]\nport=1\n"), 2, "unknown key Media.port; did you mean Media.Port?" },
		{ SPAN_LIT("[Media]\nMaxPears=1\n"), 2, "unknown key Media.MaxPears; did you mean Media.MaxPeers?" },
		{ SPAN_LIT("[Media]\nListen=1\n"), 2, "unknown key Media.Listen; did you mean Relay.Listen?" },
		{ SPAN_LIT("[Media]\nSomethingElse=1\n"), 2, "unknown key Media.SomethingElse" },
		{ SPAN_LIT("[Media]\n=1\n"), 2, "unknown key Media." },
		{ SPAN_LIT("[Medai]\n"), 1, "unknown section [Medai]; did you mean [Media]?" },
		{ SPAN_LIT("[relay]\n"), 1, "unknown section [relay]; did you mean [Relay]?" },
		{ SPAN_LIT("[Signal]\n"), 1, "unknown section [Signal]" },
		{ SPAN_LIT("[]\n"), 1, "unknown section []" },
		{ SPAN_LIT("[Media\n"), 1, "a section is written [Name]" },
		{ SPAN_LIT("["), 1, "a section is written [Name]" },
		{ SPAN_LIT("[Media] Port=1\n"), 1, "a section is written [Name]" },
		{ SPAN_LIT("# x\nPort=1\n"), 2, "an assignment before the first [Section]" },
		{ SPAN_LIT("[Media]\nPort\n"), 2, "neither [Section] nor Key=value" },
		{ SPAN_LIT("[Media]\nPort=0x10\n"), 2, "Media.Port: not a port number (0 to 65535)" },
		{ SPAN_LIT("[Media]\nPort=1\0\n"), 2, "a control character" },
		{ SPAN_LIT("[Media]\nPort=1\r2\n"), 2, "a control character" },
		{ SPAN_LIT("[Media]\nNatAddresses=192.0.2.1\\\n x\nPort=1\n"), 2,
		  "Media.NatAddresses: not an address (192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80)" },
		{ SPAN_LIT("[Media]\nPort=1\\\n\nProt=1\n"), 4, "unknown key Media.Prot; did you mean Media.Port?" },
		{ SPAN_LIT("[Relay]\nName=a\\\\\n"), 2, "Relay.Name: ends with a backslash" },
		{ SPAN_LIT("[Media]\n\xc3\xa4 b=1\n"), 2, "unknown key Media.???b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf_diag d = { .text = "" };
		struct demo c;

		t_row = rows[i].want;
		EQ(apply(rows[i].in, &c, &d), ERR_MALFORMED);
		EQ_STR(d.text, rows[i].want);
		EQ_STR(d.file ? d.file : "", "demo.conf");
		EQ(d.line, rows[i].line);
	}
}

/* A line has a bound, joined or not, and what is shown of a name is cut. */
static void long_lines_are_told(void)
{
	static char in[8000];
	struct conf_diag d = { .text = "" };
	struct demo c;

	memcpy(in, "[Relay]\nName=", 13);
	memset(in + 13, 'x', 3000);
	EQ(apply(span_of(in, 3013), &c, &d), ERR_MALFORMED);
	EQ_STR(d.text, "the line is too long");
	for (size_t i = 100; i < 3000; i += 100)
		memcpy(in + i, "\\\n", 2);
	EQ(apply(span_of(in, 3013), &c, &d), ERR_MALFORMED);
	EQ_STR(d.text, "the line is too long");
	EQ(d.line, 2);
	memset(in + 8, 'k', 300);
	memcpy(in + 308, "=1\n", 3);
	EQ(apply(span_of(in, 311), &c, &d), ERR_MALFORMED);
	EQ(strlen(d.text), strlen("unknown key Relay.") + 64 + 3);
	OK(strstr(d.text, "kkk...") != NULL);
}

static const char *some_env(const char *name)
{
	return strcmp(name, "DEMO_PORT") == 0 ? " 99 " : strcmp(name, "DEMO_RELAY") == 0 ? "" : NULL;
}

static const char *bad_env(const char *name)
{
	return strcmp(name, "DEMO_PORT") == 0 ? "secret" : NULL;
}

static const char *backslash_env(const char *name)
{
	return strcmp(name, "DEMO_NAME") == 0 ? "a\\" : NULL;
}

/* The existing system's variables: empty counts as unset; a reason names key and variable, never the value. */
static void environment_is_read(void)
{
	struct conf_diag d = { .text = "" };
	uint8_t buf[512];
	struct demo c;

	EQ(apply(SPAN_LIT(""), &c, &d), 0);
	EQ(conf_apply_env(keys, some_env, &c, &d), 0);
	EQ_SPAN(values_of(&c, buf, sizeof(buf)), SPAN_LIT("99|500|30s||yes|127.0.0.1:8912|"));
	EQ(conf_apply_env(keys, bad_env, &c, &d), ERR_MALFORMED);
	EQ_STR(d.text, "Media.Port (DEMO_PORT): not a port number (0 to 65535)");
	EQ_STR(d.file, "environment");
	EQ(d.line, 0);
	EQ(conf_apply_env(keys, backslash_env, &c, &d), ERR_MALFORMED);
	EQ_STR(d.text, "Relay.Name (DEMO_NAME): ends with a backslash");
}

static const char *list_env(const char *name)
{
	return strcmp(name, "DEMO_RELAYS") == 0 ? "192.0.2.9" : NULL;
}

/* Lines of a key whose type appends add up over environment and files; the empty value forgets all before it. */
static void lists_add_up(void)
{
	static const struct {
		const char *row;
		struct span first, second;
		const char *want;
	} rows[] = {
		{ "nothing: ", SPAN_LIT(""), SPAN_LIT(""), "192.0.2.9||" },
		{ "one file: ", SPAN_LIT("[Peer]\nDenied=10.0.0.0/8, ::1\nDenied=192.0.2.0/24\n"), SPAN_LIT(""),
		  "192.0.2.9|10.0.0.0/8 ::1/128 192.0.2.0/24|" },
		{ "two files: ", SPAN_LIT("[Peer]\nRelays=::1\n[Auth]\nSecretFile=/a\n"),
		  SPAN_LIT("[Auth]\nSecretFile=/b\n[Peer]\nRelays=::2\n"), "192.0.2.9 ::1 ::2||/a /b" },
		{ "reset: ", SPAN_LIT("[Auth]\nSecretFile=/a /b\n[Peer]\nRelays=\n"),
		  SPAN_LIT("[Auth]\nSecretFile=\nSecretFile=/c\n"), "||/c" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t buf[512], dump[1024];
		struct wr w = wr_from(buf, sizeof(buf)), out = wr_from(dump, sizeof(dump));
		struct conf_diag d = { .text = "" };
		struct demo c = { 0 }, again = { 0 };

		t_row = rows[i].row;
		EQ(conf_defaults(list_keys, &c, &d), 0);
		EQ(conf_apply_env(list_keys, list_env, &c, &d), 0);
		EQ(conf_apply(list_keys, "1", rows[i].first, &c, &d), 0);
		EQ(conf_apply(list_keys, "2", rows[i].second, &c, &d), 0);
		for (const struct conf_key *k = list_keys; k->key; k++) {
			if (k != list_keys)
				wr_str(&w, "|");
			k->type->write(&w, (const char *)&c + k->at);
		}
		EQ_SPAN(wr_span_of(&w), span_str(rows[i].want));
		conf_dump(&out, list_keys, &c);
		EQ(conf_apply_env(list_keys, list_env, &again, &d), 0);
		EQ(conf_apply(list_keys, "dump", wr_span_of(&out), &again, &d), 0);
		EQ_SPAN(span_of(&again, sizeof(again)), span_of(&c, sizeof(c)));
	}
}

/* A full list is longer than a line may be, so a dump has a line for each word. */
static void full_lists_are_dumped(void)
{
	static struct demo c, again;
	static const char word[] = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
	static uint8_t dump[8192];
	struct wr w = wr_from(dump, sizeof(dump));
	struct conf_diag d = { .text = "" };

	for (; c.relays.n < CONF_SET_MAX; c.relays.n++)
		EQ(addr_parse(span_str(word), &c.relays.a[c.relays.n]), 0);
	for (; c.secrets.n < CONF_TEXTS_MAX; c.secrets.n++)
		memset(c.secrets.t[c.secrets.n], 'x', CONF_TEXT_MAX - 1);
	conf_dump(&w, list_keys, &c);
	OK(!w.bad);
	EQ(conf_apply(list_keys, "dump", wr_span_of(&w), &again, &d), 0);
	EQ_STR(d.text, "");
	EQ_SPAN(span_of(&again, sizeof(again)), span_of(&c, sizeof(c)));
	w = wr_from(dump, sizeof(dump));
	c = (struct demo){ .secrets = { { "/a", "/b" }, 2 } };
	conf_dump(&w, list_keys + 2, &c);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("[Auth]\n# three\nSecretFile=\nSecretFile=/a\nSecretFile=/b\n"));
}

/* A list that adds up cannot have a default; a table that says otherwise is told. */
static void lists_have_no_default(void)
{
	static const struct conf_key bad[] = { { "A.List", &conf_texts, 0, "x", NULL, "" }, { 0 } };
	struct conf_text_list list;
	struct conf_diag d;

	EQ(conf_defaults(bad, &list, &d), ERR_MALFORMED);
	EQ_STR(d.text, "A.List: a list that assignments add to has no default");
}

/* A dump is a file that means the same: equal memory after reading, and an equal dump again. */
static void dump_reads_back_to_the_same_struct(void)
{
	static const struct span rows[] = {
		SPAN_LIT(""),
		SPAN_LIT("[Media]\nPort=0\nMaxPeers=0\nIdleTimeout=1500us\nNatAddresses=192.0.2.1,[2001:db8::1]:80\n"),
		SPAN_LIT("[Relay]\nEnable=off\nListen=[::]:1\nName=a [b] = \\x # c\n"),
		SPAN_LIT("[Relay]\nListen=0.0.0.0\n[Media]\nIdleTimeout=0\n"),
		SPAN_LIT("[Relay]\nListen=::\n[Media]\nIdleTimeout=18446744073709551us\n"),
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t a[4096], b[4096];
		struct wr wa = wr_from(a, sizeof(a)), wb = wr_from(b, sizeof(b));
		struct conf_diag d = { .text = "" };
		struct demo c, again;

		t_row = (const char *)rows[i].p;
		EQ(apply(rows[i], &c, &d), 0);
		conf_dump(&wa, keys, &c);
		OK(!wa.bad);
		EQ(apply(wr_span_of(&wa), &again, &d), 0);
		EQ_STR(d.text, "");
		EQ_SPAN(span_of(&again, sizeof(again)), span_of(&c, sizeof(c)));
		conf_dump(&wb, keys, &again);
		EQ_SPAN(wr_span_of(&wb), wr_span_of(&wa));
	}
}

/* The dump's own shape: sections, help as comments, values; the man page from the same table. */
static void dump_and_man_have_their_shape(void)
{
	static const struct conf_key two[] = {
		{ "Media.Port", &conf_port, offsetof(struct demo, port), "3478", "DEMO_PORT", "UDP port" },
		{ "Relay.Name", &conf_text, offsetof(struct demo, name), "", NULL, ".a \\ b" },
		{ 0 },
	};
	uint8_t buf[1024];
	struct wr w = wr_from(buf, sizeof(buf));
	struct demo c = { .port = 5 };

	conf_dump(&w, two, &c);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT("[Media]\n# UDP port\nPort=5\n\n[Relay]\n# .a \\ b\nName=\n"));
	w = wr_from(buf, sizeof(buf));
	conf_man(&w, two);
	EQ_SPAN(wr_span_of(&w), SPAN_LIT(".It Cm Media.Port= Ar port\nUDP port.\nDefault:\n.Ql 3478 .\nEnvironment:\n"
					 ".Ev DEMO_PORT .\n.It Cm Relay.Name= Ar text\n\\&.a \\e b.\n"));
}

/* What needs a restart: named in the order of the table, and only if it is among the names. */
static void changed_keys_are_named(void)
{
	static const char *const names[] = { "Relay.Name", "Media.Port", "Relay.Enable", NULL };
	struct demo old, new;
	struct conf_diag d;
	char text[64] = { 0 };
	struct wr w = wr_from(text, sizeof(text) - 1);

	EQ(apply(SPAN_LIT(""), &old, &d), 0);
	new = old;
	conf_changed(keys, names, &old, &new, &w);
	EQ_STR(text, "");
	EQ(apply(SPAN_LIT("[Media]\nPort=1\nMaxPeers=2\n[Relay]\nName=x\n"), &new, &d), 0);
	conf_changed(keys, names, &old, &new, &w);
	EQ_STR(text, "Media.Port Relay.Name");
}

T_MAIN(T(changed_keys_are_named), T(defaults_fill_every_field), T(bad_default_is_told), T(files_are_read),
       T(mistakes_are_explained),
       T(long_lines_are_told), T(environment_is_read), T(lists_add_up), T(full_lists_are_dumped),
       T(lists_have_no_default), T(dump_reads_back_to_the_same_struct),
       T(dump_and_man_have_their_shape))
