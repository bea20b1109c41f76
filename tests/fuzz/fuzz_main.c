/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Replays a corpus without a fuzzing engine, so that each of its files is an ordinary test in every build. Arguments
 * are files and directories; a file that breaks the property ends the process, and its name is the last line.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20)
#define PATH_LEN 4096

static unsigned files;

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *whole = malloc(INPUT_MAX), *exact;
	size_t n;

	if (!f || !whole) {
		printf("# %s: cannot be read\n", path);
		free(whole);
		if (f)
			fclose(f);
		return 1;
	}
	n = fread(whole, 1, INPUT_MAX, f);
	fclose(f);
	/* A block of exactly n bytes lets the sanitizer see the first byte read behind it. */
	exact = malloc(n ? n : 1);
	if (exact) {
		memcpy(exact, whole, n);
		printf("# %s\n", path);
		fflush(stdout);
		(void)LLVMFuzzerTestOneInput(exact, n);
		files++;
	}
	free(exact);
	free(whole);
	return 0;
}

static int replay(const char *path)
{
	struct dirent **entry;
	struct stat st;
	int bad = 0, n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return replay_file(path);
	n = scandir(path, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char file[PATH_LEN];

		snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			bad |= replay_file(file);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;

	printf("1..1\n");
	for (int i = 1; i < argc; i++)
		bad |= replay(argv[i]);
	bad |= files == 0;
	printf("%s 1 - %u files hold the property\n", bad ? "not ok" : "ok", files);
	return bad;
}
