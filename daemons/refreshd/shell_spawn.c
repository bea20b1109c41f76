/* SPDX-License-Identifier: AGPL-3.0-only */
#include "refreshd/shell_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/loop.h"

#define LOOK_LEAST DUR_MS(1)
#define LOOK_MOST DUR_MS(20)

static int start(const char *const argv[], const char *const env[], int out, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	r = -posix_spawn(ret, argv[0], &files, &attr, (char *const *)argv, (char *const *)env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static int wait_for(pid_t pid, uint64_t limit_us)
{
	mono_t until = mono_add(loop_clock(), limit_us);
	uint64_t nap = LOOK_LEAST;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (mono_reached(loop_clock(), until)) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -ETIMEDOUT;
		}
		loop_nap(nap);
		nap = nap * 2 < LOOK_MOST ? nap * 2 : LOOK_MOST;
	}
}

int spawn_wait(const char *const argv[], const char *const env[], uint64_t limit_us, char *out, size_t cap)
{
	int fd = memfd_create("output", MFD_CLOEXEC);
	ssize_t n = 0;
	pid_t pid;
	int r;

	if (fd < 0)
		return -errno;
	r = start(argv, env, fd, &pid);
	if (r == 0)
		r = wait_for(pid, limit_us);
	if (out && cap) {
		n = pread(fd, out, cap - 1, 0);
		out[n > 0 ? n : 0] = '\0';
	}
	close(fd);
	return r;
}

const char *spawn_last_line(char *out)
{
	size_t n = strlen(out);
	char *line;

	while (n && strchr("\r\n ", out[n - 1]))
		out[--n] = '\0';
	line = strrchr(out, '\n');
	line = line ? line + 1 : out;
	if (line[0] == '<' && line[1] && line[2] == '>') /* the level, for the journal */
		line += 3;
	return *line ? line : "it said nothing";
}
