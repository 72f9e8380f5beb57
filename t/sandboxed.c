/* SPDX-License-Identifier: ISC */
/*
 * A handler that tries what one that was taken over would try, and says how
 * each attempt ended: "done", or the name of the error.  None of them does
 * harm where it succeeds.
 *
 *	/try?pid=N&port=N&dir=PATH	all attempts, by name
 *	/form?dir=PATH			saves the form's files there
 *	/kept, /thread, /pid, /crash	what has to go on working
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tine.h>

/* What an attempt is aimed at. */
struct aim {
	pid_t		 pid;		/* another process of the user */
	in_port_t	 port;		/* where somebody listens */
	char		 dir[256];	/* not one that may be used */
};

static int passwd = -1;			/* opened by worker_init */

/* ------------------------------------------------------------------ files */

static int
close_well(int fd)
{
	return fd == -1 ? -1 : close(fd);
}

static int
read_passwd(const struct aim *aim)
{
	(void)aim;
	return close_well(open("/etc/passwd", O_RDONLY));
}

static int
read_memory(const struct aim *aim)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)aim->pid);
	return close_well(open(path, O_RDONLY));
}

static int
list_root(const struct aim *aim)
{
	DIR *dir = opendir("/");

	(void)aim;
	return dir == NULL ? -1 : closedir(dir);
}

static int
make_file(const struct aim *aim)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/made.%d", aim->dir,
	    (int)getpid());
	return close_well(open(path, O_WRONLY | O_CREAT, 0600));
}

static int
make_nameless(const struct aim *aim)
{
	return close_well(open(aim->dir, O_TMPFILE | O_RDWR, 0600));
}

static const char *
there(const struct aim *aim)
{
	static _Thread_local char path[300];

	(void)snprintf(path, sizeof(path), "%s/there", aim->dir);
	return path;
}

static int
write_file(const struct aim *aim)
{
	return close_well(open(there(aim), O_WRONLY | O_APPEND));
}

static int
cut_file(const struct aim *aim)
{
	return truncate(there(aim), 0);
}

static int
change_mode(const struct aim *aim)
{
	return chmod(there(aim), 0600);
}

static int
change_owner(const struct aim *aim)
{
	return chown(there(aim), geteuid(), getegid());
}

static int
change_time(const struct aim *aim)
{
	return utimensat(AT_FDCWD, there(aim), NULL, 0);
}

/* -------------------------------------------------------------- processes */

/* With a path that is not there it is seen whether the call is let in. */
static int
execute(const struct aim *aim)
{
	char *const nothing[] = { NULL };

	(void)aim;
	(void)execve("/nonexistent", nothing, nothing);
	return errno == ENOENT ? 0 : -1;
}

static int
fork_process(const struct aim *aim)
{
	const pid_t pid = fork();

	(void)aim;
	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static int
run_shell(const struct aim *aim)
{
	(void)aim;
	return system("exit 3") == 3 << 8 ? 0 : (errno = EPERM, -1);
}

static int
clone_new(const struct aim *aim)
{
	(void)aim;
	(void)syscall(SYS_clone3, NULL, 0);
	return errno == EINVAL ? 0 : -1;
}

static int
trace(const struct aim *aim)
{
	return ptrace(PTRACE_ATTACH, aim->pid, NULL, NULL) == -1 ? -1 : 0;
}

static int
read_other(const struct aim *aim)
{
	char byte;
	struct iovec here = { &byte, 1 };
	struct iovec away = { (void *)(uintptr_t)read_other, 1 };

	return process_vm_readv(aim->pid, &here, 1, &away, 1, 0) == -1 &&
	    errno != EFAULT ? -1 : 0;
}

static int
signal_other(const struct aim *aim)
{
	return kill(aim->pid, 0);
}

static int
signal_thread(const struct aim *aim)
{
	return (int)syscall(SYS_tgkill, aim->pid, aim->pid, 0);
}

static int
signal_all(const struct aim *aim)
{
	(void)aim;
	return kill(0, 0);
}

static int
open_process(const struct aim *aim)
{
	return close_well((int)syscall(SYS_pidfd_open, aim->pid, 0));
}

/* Whoever owns a descriptor is signalled when it is ready. */
static int
own_descriptor(const struct aim *aim)
{
	int pair[2];
	int result;

	if (pipe(pair) == -1)
		return -1;
	result = fcntl(pair[0], F_SETOWN, aim->pid);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return result;
}

static int
limit_other(const struct aim *aim)
{
	struct rlimit limit;

	return prlimit(aim->pid, RLIMIT_CORE, NULL, &limit);
}

static int
signal_itself(const struct aim *aim)
{
	(void)aim;
	return kill(getpid(), 0);
}

static void *
nothing_much(void *argument)
{
	return argument;
}

static int
make_thread(const struct aim *aim)
{
	pthread_t thread;

	(void)aim;
	errno = pthread_create(&thread, NULL, nothing_much, NULL);
	return errno != 0 ? -1 : pthread_join(thread, NULL);
}

/* ---------------------------------------------------------------- sockets */

static int
connect_tcp(const struct aim *aim)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(aim->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	if (fd == -1)
		return -1;
	result = connect(fd, (const struct sockaddr *)&to, sizeof(to));
	(void)close(fd);
	return result;
}

static int
listen_tcp(const struct aim *aim)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	(void)aim;
	if (fd == -1)
		return -1;
	result = bind(fd, (const struct sockaddr *)&at, sizeof(at));
	if (result == 0)
		result = listen(fd, 1);
	(void)close(fd);
	return result;
}

/* bind(2) by itself, without a socket to call it for. */
static int
bind_any(const struct aim *aim)
{
	(void)aim;
	(void)bind(-1, NULL, 0);
	return errno == EBADF ? 0 : -1;
}

static int
pair_datagrams(const struct aim *aim)
{
	int pair[2];

	(void)aim;
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == -1)
		return -1;
	(void)close(pair[0]);
	return close(pair[1]);
}

static int
pair_streams(const struct aim *aim)
{
	int pair[2];

	(void)aim;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	(void)close(pair[0]);
	return close(pair[1]);
}

/* ------------------------------------------------------------- privileges */

static int
become_root(const struct aim *aim)
{
	(void)aim;
	return setuid(0);
}

static int
mount_nothing(const struct aim *aim)
{
	(void)aim;
	(void)mount("none", "/nonexistent", "tmpfs", 0, NULL);
	return errno == ENOENT ? 0 : -1;
}

static int
unshare_nothing(const struct aim *aim)
{
	(void)aim;
	return unshare(0);
}

static int
change_root(const struct aim *aim)
{
	(void)aim;
	(void)!chroot("/nonexistent");
	return errno == ENOENT ? 0 : -1;
}

static int
type_in_terminal(const struct aim *aim)
{
	(void)aim;
	(void)ioctl(-1, TIOCSTI, "x");
	return errno == EBADF ? 0 : -1;
}

static int
is_let_in(long number)
{
	(void)syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
	return errno != EPERM ? 0 : -1;
}

static int
use_ring(const struct aim *aim)
{
	(void)aim;
	return is_let_in(SYS_io_uring_setup);
}

static int
use_bpf(const struct aim *aim)
{
	(void)aim;
	return is_let_in(SYS_bpf);
}

static int
use_keys(const struct aim *aim)
{
	(void)aim;
	return is_let_in(SYS_keyctl);
}

static int
use_faults(const struct aim *aim)
{
	(void)aim;
	return is_let_in(SYS_userfaultfd);
}

static int
use_events(const struct aim *aim)
{
	(void)aim;
	return is_let_in(SYS_perf_event_open);
}

static int
has_capabilities(const struct aim *aim)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	(void)aim;
	if (syscall(SYS_capget, &header, data) == -1)
		return -1;
	errno = EPERM;
	return (data[0].permitted | data[1].permitted) != 0 ? 0 : -1;
}

/* The numbers of another architecture mean other things. */
static int
use_x32(const struct aim *aim)
{
	(void)aim;
#ifdef __x86_64__
	(void)syscall(0x40000000L | SYS_getpid);
	return errno != EPERM ? 0 : -1;
#else
	errno = EPERM;
	return -1;
#endif
}

static int
use_i386(const struct aim *aim)
{
	long result = -EPERM;

	(void)aim;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L)
	    : "memory", "r8", "r9", "r10", "r11");
#endif
	errno = result < 0 ? (int)-result : 0;
	return result < 0 ? -1 : 0;
}

/* ------------------------------------------------------------------- code */

static int
load_library(const struct aim *aim)
{
	void *library = dlopen("libutil.so.1", RTLD_NOW);
	void *other = dlopen("libanl.so.1", RTLD_NOW);

	(void)aim;
	if (library == NULL || other == NULL) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
make_code(const struct aim *aim)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)aim;
	return code == MAP_FAILED ? -1 : munmap(code, 4096);
}

static int
turn_to_code(const struct aim *aim)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int result;

	(void)aim;
	if (code == MAP_FAILED)
		return 0;
	result = mprotect(code, 4096, PROT_READ | PROT_EXEC);
	(void)munmap(code, 4096);
	return result;
}

/* ------------------------------------------------- what an honest one needs */

static int
read_random(const struct aim *aim)
{
	(void)aim;
	return close_well(open("/dev/urandom", O_RDONLY));
}

static int
write_null(const struct aim *aim)
{
	(void)aim;
	return close_well(open("/dev/null", O_WRONLY));
}

static int
read_time(const struct aim *aim)
{
	const time_t now = time(NULL);
	struct tm tm;

	(void)aim;
	(void)setenv("TZ", "Europe/Berlin", 1);
	tzset();
	return localtime_r(&now, &tm) == NULL ? -1 : 0;
}

static const struct {
	const char	*name;
	int		(*function)(const struct aim *);
} attempts[] = {
	{ "read-passwd", read_passwd }, { "read-memory", read_memory },
	{ "list-root", list_root }, { "make-file", make_file },
	{ "make-nameless", make_nameless }, { "write-file", write_file },
	{ "cut-file", cut_file }, { "change-mode", change_mode },
	{ "change-owner", change_owner }, { "change-time", change_time },
	{ "exec", execute }, { "fork", fork_process },
	{ "shell", run_shell }, { "clone3", clone_new },
	{ "ptrace", trace }, { "read-other", read_other },
	{ "signal-other", signal_other }, { "signal-thread", signal_thread },
	{ "signal-all", signal_all }, { "open-process", open_process },
	{ "own-descriptor", own_descriptor }, { "limit-other", limit_other },
	{ "connect", connect_tcp }, { "listen", listen_tcp },
	{ "bind", bind_any }, { "datagrams", pair_datagrams },
	{ "become-root", become_root }, { "mount", mount_nothing },
	{ "unshare", unshare_nothing }, { "chroot", change_root },
	{ "terminal", type_in_terminal }, { "io-uring", use_ring },
	{ "bpf", use_bpf }, { "keys", use_keys }, { "faults", use_faults },
	{ "events", use_events }, { "capabilities", has_capabilities },
	{ "x32", use_x32 }, { "i386", use_i386 },
	{ "library", load_library }, { "code", make_code },
	{ "to-code", turn_to_code },
	{ "good-random", read_random }, { "good-null", write_null },
	{ "good-time", read_time }, { "good-signal", signal_itself },
	{ "good-thread", make_thread }, { "good-pair", pair_streams }
};

/* --------------------------------------------------------------- requests */

static const char *
word(const struct tine_request *req, const char *name, char *out, size_t size)
{
	const char *at = strstr(req->query, name);
	size_t n = 0;

	if (at != NULL) {
		at += strlen(name);
		while (at[n] != '\0' && at[n] != '&' && n + 1 < size) {
			out[n] = at[n];
			n++;
		}
	}
	out[n] = '\0';
	return out;
}

static void
begin(struct tine_request *req)
{
	tine_send_response(req, 200, NULL);
	tine_send_header(req, "Content-Type", "text/plain");
	tine_end_headers(req);
}

static void
try(struct tine_request *req)
{
	struct aim aim;
	char text[256];

	aim.pid = (pid_t)strtol(word(req, "pid=", text, sizeof(text)), NULL,
	    10);
	if (aim.pid == getpid())
		aim.pid = getppid();
	aim.port = (in_port_t)strtol(word(req, "port=", text, sizeof(text)),
	    NULL, 10);
	(void)word(req, "dir=", aim.dir, sizeof(aim.dir));
	(void)word(req, "only=", text, sizeof(text));
	begin(req);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (*text != '\0' && strcmp(text, attempts[i].name) != 0)
			continue;
		errno = 0;
		tine_printf(req, "%s=%s\n", attempts[i].name,
		    attempts[i].function(&aim) == 0 ? "done"
		    : strerrorname_np(errno));
	}
}

static void
save(struct tine_request *req)
{
	struct tine_form *form = tine_form_parse(req, NULL);
	char dir[256], path[300];

	if (form == NULL) {
		tine_form_send_error(req);
		return;
	}
	(void)word(req, "dir=", dir, sizeof(dir));
	(void)snprintf(path, sizeof(path), "%s/saved", dir);
	(void)unlink(path);
	begin(req);
	for (const struct tine_form_field *field =
	    tine_form_first(form, "file"); field != NULL; field = NULL) {
		tine_printf(req, "length=%lld\n", (long long)field->length);
		if (*dir != '\0')
			tine_printf(req, "saved=%s\n",
			    tine_form_save(field, AT_FDCWD, path, 0640) == 0
			    ? "done" : strerrorname_np(errno));
	}
}

static void
answer(struct tine_request *req)
{
	char text[64], byte = '\0';

	if (strcmp(req->real_path, "/try") == 0) {
		try(req);
	} else if (strcmp(req->real_path, "/form") == 0) {
		save(req);
	} else if (strcmp(req->real_path, "/crash") == 0) {
		(void)raise(SIGSEGV);
	} else if (strcmp(req->real_path, "/sleep") == 0) {
		const struct timespec while_others_wait = { 1, 0 };

		(void)nanosleep(&while_others_wait, NULL);
		tine_puts(req, "slept");
	} else if (strcmp(req->real_path, "/kept") == 0) {
		tine_printf(req, "kept=%d", pread(passwd, &byte, 1, 0) == 1);
	} else if (strcmp(req->real_path, "/big") == 0) {
		const long bytes = strtol(word(req, "bytes=", text,
		    sizeof(text)), NULL, 10);

		for (long at = 0; at < bytes; at += 64)
			tine_printf(req, "%063ld\n", at);
	} else {
		tine_printf(req, "pid=%ld", (long)getpid());
	}
}

static int
open_first(struct tine_server *server)
{
	(void)server;
	passwd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	return passwd == -1 ? -1 : 0;
}

static const struct tine_hooks hooks = { .worker_init = open_first };

const struct tine_http_handler tine_http = {
	.do_GET = answer, .do_POST = answer, .hooks = &hooks
};
