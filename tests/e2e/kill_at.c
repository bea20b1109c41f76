/* SPDX-License-Identifier: AGPL-3.0-only */
/*
 * Runs a command and kills it with SIGKILL just before its Nth system call that changes anything; what it started lives on.
 *
 *     kill_at N COMMAND [ARGUMENT...]     # exit code 137 when it came so far, else the command's own
 *     kill_at 0 COMMAND [ARGUMENT...]     # never; how many there were is the last line on standard error
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED 137

static bool changes(const struct __ptrace_syscall_info *s)
{
	switch (s->entry.nr) {
	case SYS_openat:
		return (s->entry.args[2] & O_CREAT) != 0;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_ftruncate:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_fchmod:
	case SYS_fchmodat:
	case SYS_mkdirat:
	case SYS_unlinkat:
	case SYS_symlinkat:
	case SYS_linkat:
	case SYS_renameat2:
	case SYS_connect:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_kill:
	case SYS_clone:
	case SYS_clone3:
	case SYS_memfd_create:
#ifdef SYS_open /* what older architectures have besides */
	case SYS_open:
	case SYS_creat:
	case SYS_chmod:
	case SYS_mkdir:
	case SYS_unlink:
	case SYS_rmdir:
	case SYS_symlink:
	case SYS_rename:
	case SYS_vfork:
#endif
#ifdef SYS_renameat
	case SYS_renameat:
#endif
		return true;
	default:
		return false;
	}
}

/* The exit code of the command, or KILLED. */
static int follow(pid_t pid, unsigned long n, unsigned long *ret_count)
{
	struct __ptrace_syscall_info s;
	int status, sig = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, sig) < 0 || waitpid(pid, &status, 0) < 0)
			return 71;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		sig = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (sig || ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(s), &s) <= 0 || s.op != PTRACE_SYSCALL_INFO_ENTRY ||
		    !changes(&s))
			continue;
		if (++*ret_count != n)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return KILLED;
	}
}

int main(int argc, char **argv)
{
	unsigned long n, count = 0;
	int status, code;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: kill_at N COMMAND [ARGUMENT...]\n");
		return 64;
	}
	n = strtoul(argv[1], NULL, 10);
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execv(argv[2], argv + 2);
		fprintf(stderr, "kill_at: %s: %s\n", argv[2], strerror(errno));
		_exit(71);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return 71;
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		return 71;
	code = follow(pid, n, &count);
	if (n == 0)
		fprintf(stderr, "%lu\n", count);
	return code;
}
