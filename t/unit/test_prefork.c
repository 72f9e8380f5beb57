/* SPDX-License-Identifier: ISC */
/*
 * What a master hears from outside, and what it says there: the state that
 * the program before left, the service manager, the title of a process.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/base/clock.h"
#include "../../lib/prefork/notify.h"
#include "../../lib/prefork/state.h"
#include "../../lib/prefork/supervise.h"
#include "../../lib/prefork/title.h"
#include "../../lib/prefork/upgrade.h"
#include "unit.h"

/* ------------------------------------------------------- the program before */

/* A state with two workers and two listeners, as a program would leave it. */
struct left {
	struct state		state;
	struct state_worker	workers[2];
	struct state_listener	listeners[2];
};

static void
leave(struct left *left)
{
	memset(left, 0, sizeof(*left));
	left->state = (struct state){
		.magic = STATE_MAGIC, .format = STATE_FORMAT,
		.size = sizeof(left->state), .worker_count = 2,
		.listener_count = 2, .handover = { -1, -1 }, .pidfile = -1,
		.program = -1, .way_back = -1, .master = getpid(),
		.module = -1, .config = -1, .users = -1, .logs = { -1, -1 },
		.board = -1
	};
	for (uint32_t i = 0; i < 2; i++) {
		left->workers[i] = (struct state_worker){
			.pid = 100000 + (int)i, .control = -1, .index = i,
			.state = SLOT_SERVING
		};
		left->listeners[i].fd = -1;
		left->listeners[i].is_inherited = i;
	}
	strcpy(left->listeners[0].text, "localhost:1");
	memset(left->listeners[1].text, 'x', sizeof(left->listeners[1].text));
}

/* What upgrade_begin() says of so many bytes of it. */
static int
begin_with(const struct left *left, size_t size, const char *why)
{
	const int fd = memfd_create("state", MFD_CLOEXEC);
	char text[64];
	int result;

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, left, size), (ssize_t)size);
	(void)snprintf(text, sizeof(text), "%d%s", fd, why);
	ck_assert_int_eq(setenv(STATE_NAME, text, 1), 0);
	result = upgrade_begin();
	if (result == -1)
		(void)close(fd);
	return result;
}

START_TEST(state_is_taken_over)
{
	struct left left;
	char longest[sizeof(left.listeners[1].text)];
	bool is_ours = false;

	leave(&left);
	left.listeners[0].fd = 70;
	left.listeners[1].fd = 71;
	ck_assert_int_eq(begin_with(&left, sizeof(left), ""), 0);
	ck_assert_ptr_null(getenv(STATE_NAME));
	ck_assert(upgrade_is_there());
	ck_assert(!upgrade_is_back());
	ck_assert_int_eq(upgrade_listener("localhost:2", &is_ours), -1);
	ck_assert_int_eq(upgrade_listener("localhost:1", &is_ours), 70);
	ck_assert(is_ours);
	ck_assert_int_eq(upgrade_listener("localhost:1", &is_ours), -1);
	/* Its text had no end. */
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(upgrade_listener(longest, &is_ours), 71);
	ck_assert(!is_ours);
	ck_assert_int_eq(upgrade_pidfile(), -1);
	ck_assert_int_eq(upgrade_log(0), -1);
	/* It only goes back what was in force before. */
	ck_assert_int_eq(upgrade_module(), -1);
	takeover_done();
	ck_assert(!upgrade_is_there());
}
END_TEST

START_TEST(way_back_says_why)
{
	struct left left;

	leave(&left);
	left.state.config = STDIN_FILENO;
	ck_assert_int_eq(begin_with(&left, sizeof(left), " it was no good"),
	    0);
	ck_assert(upgrade_is_back());
	ck_assert_int_gt(upgrade_config(), STDERR_FILENO);
	ck_assert_int_eq(upgrade_users(), -1);
	takeover_done();
}
END_TEST

START_TEST(no_state_is_none)
{
	ck_assert_int_eq(unsetenv(STATE_NAME), 0);
	ck_assert_int_eq(upgrade_begin(), 0);
	ck_assert(!upgrade_is_there());
	ck_assert(!upgrade_is_back());
	ck_assert_int_eq(upgrade_module(), -1);
}
END_TEST

/* Each of them alone is wrong. */
static const struct {
	size_t		offset;
	uint32_t	value;
} wrong[] = {
#define STATE(member)	offsetof(struct left, state.member)
#define WORKER(member)	offsetof(struct left, workers[1].member)
	{ STATE(magic), 0 }, { STATE(magic), UINT32_C(0x656e6974) },
	{ STATE(format), STATE_FORMAT - 1 },
	{ STATE(format), STATE_FORMAT + 1 },
	{ STATE(size), sizeof(struct state) - 4 },
	{ STATE(size), sizeof(struct state) + 4 },
	{ STATE(worker_count), STATE_MOST }, { STATE(worker_count), 5 },
	{ STATE(worker_count), STATE_MOST + 1 },
	{ STATE(worker_count), UINT32_MAX },
	{ STATE(listener_count), STATE_MOST }, { STATE(listener_count), 3 },
	{ STATE(listener_count), STATE_MOST + 1 },
	{ STATE(listener_count), UINT32_MAX },
	{ STATE(master), 1 }, { STATE(master), 0 },
	{ WORKER(pid), 0 }, { WORKER(pid), 1 }, { WORKER(pid), UINT32_MAX },
	{ WORKER(index), STATE_MOST }, { WORKER(index), UINT32_MAX },
	{ WORKER(state), SLOT_EMPTY }, { WORKER(state), SLOT_ENDING + 1 },
	{ WORKER(state), UINT32_MAX }
};
#define WRONG	((int)(sizeof(wrong) / sizeof(wrong[0])))

START_TEST(wrong_state_is_refused)
{
	struct left left;

	leave(&left);
	memcpy((char *)&left + wrong[_i].offset, &wrong[_i].value,
	    sizeof(wrong[_i].value));
	ck_assert_int_eq(begin_with(&left, sizeof(left), ""), -1);
	ck_assert(!upgrade_is_there());
	ck_assert_ptr_nonnull(strstr(tine_error(), STATE_NAME));
}
END_TEST

START_TEST(cut_state_is_refused)
{
	struct left left;

	leave(&left);
	for (size_t size = 0; size < sizeof(left); size++) {
		ck_assert_int_eq(begin_with(&left, size, ""), -1);
		ck_assert(!upgrade_is_there());
	}
}
END_TEST

START_TEST(descriptor_of_a_state_is_no_standard_one)
{
	static const char *const texts[] = {
		"", "0", "2", "-1", "x", "99999", "1 why"
	};

	ck_assert_int_eq(setenv(STATE_NAME, texts[_i], 1), 0);
	ck_assert_int_eq(upgrade_begin(), -1);
	ck_assert(!upgrade_is_there());
}
END_TEST

/* ------------------------------------------------------ the service manager */

/* A manager that listens at path; '@' begins an abstract name. */
static int
manage(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	const size_t length = strlen(path);

	memcpy(address.sun_path, path, length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)), 0);
	return fd;
}

/* What it has heard, "" if nothing. */
static const char *
heard(int manager)
{
	static char text[1024];
	const ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
environment(const char *path, const char *interval, const char *pid)
{
	static const char *const names[] = {
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
	};
	const char *const values[] = { path, interval, pid };

	for (size_t i = 0; i < 3; i++) {
		if (values[i] == NULL)
			(void)unsetenv(names[i]);
		else
			(void)setenv(names[i], values[i], 1);
	}
}

START_TEST(nobody_is_told)
{
	static char much[200];
	const char *const paths[] = { NULL, "", "/nonexistent/socket", much };
	struct notify notify;

	memset(much, 'x', sizeof(much) - 1);
	environment(paths[_i], "1000000", NULL);
	notify_open(&notify);
	ck_assert_int_eq(notify.fd, -1);
	ck_assert_uint_eq(notify.interval, 0);
	/* There is nothing to do, and it does nothing. */
	notify_send(&notify, "READY=1");
	notify_watchdog(&notify, clock_ms());
	ck_assert_uint_eq(notify_due(&notify, true), 0);
	environment(NULL, NULL, NULL);
	notify_export(&notify);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	notify_close(&notify);
}
END_TEST

START_TEST(manager_is_told)
{
	char name[64], text[600];
	struct notify notify;
	int manager;

	(void)snprintf(name, sizeof(name), _i == 0 ? "@tine-unit-%ld"
	    : "tine-unit-%ld", (long)getpid());
	manager = manage(name);
	environment(name, NULL, NULL);
	notify_open(&notify);
	ck_assert_int_ne(notify.fd, -1);
	notify_send(&notify, "STATUS=%u", 7U);
	ck_assert_str_eq(heard(manager), "STATUS=7");
	/* A longer message is cut. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_send(&notify, "%s", text);
	ck_assert_uint_eq(strlen(heard(manager)), 511);
	environment(NULL, NULL, NULL);
	notify_export(&notify);
	ck_assert_str_eq(getenv("NOTIFY_SOCKET"), name);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	/* One that has gone is no harm. */
	(void)close(manager);
	notify_send(&notify, "STOPPING=1");
	notify_close(&notify);
	ck_assert_int_eq(notify.fd, -1);
	if (_i != 0)
		(void)unlink(name);
}
END_TEST

START_TEST(watchdog_is_fed_by_whom_it_watches)
{
	char name[64], own[32];
	struct notify notify;
	int manager;

	(void)snprintf(name, sizeof(name), "@tine-unit-%ld", (long)getpid());
	(void)snprintf(own, sizeof(own), "%ld", (long)getpid());
	manager = manage(name);
	environment(name, "2000000", "1");
	notify_open(&notify);
	ck_assert_uint_eq(notify.interval, 0);
	notify_watchdog(&notify, 1000);
	ck_assert_str_eq(heard(manager), "");
	notify_close(&notify);

	environment(name, "2000000", _i == 0 ? NULL : own);
	notify_open(&notify);
	ck_assert_uint_eq(notify.interval, 1000);
	notify_watchdog(&notify, 1000);
	ck_assert_str_eq(heard(manager), "WATCHDOG=1");
	notify_watchdog(&notify, 1999);
	ck_assert_str_eq(heard(manager), "");
	ck_assert_uint_eq(notify_due(&notify, false), 2000);
	notify_watchdog(&notify, 2000);
	ck_assert_str_eq(heard(manager), "WATCHDOG=1");
	environment(NULL, NULL, NULL);
	notify_export(&notify);
	ck_assert_str_eq(getenv("WATCHDOG_USEC"), "2000000");
	notify_close(&notify);
	(void)close(manager);
}
END_TEST

START_TEST(more_time_is_asked_for)
{
	char name[64];
	struct notify notify;
	uint64_t now;
	int manager;

	(void)snprintf(name, sizeof(name), "@tine-unit-%ld", (long)getpid());
	manager = manage(name);
	environment(name, NULL, NULL);
	notify_open(&notify);
	now = notify.extend;
	notify_extend(&notify, now - 1, true);
	ck_assert_str_eq(heard(manager), "");
	ck_assert_uint_eq(notify_due(&notify, true), now);
	ck_assert_uint_eq(notify_due(&notify, false), 0);
	notify_extend(&notify, now, true);
	ck_assert_str_eq(heard(manager), "EXTEND_TIMEOUT_USEC=15000000");
	ck_assert_uint_eq(notify_due(&notify, true), now + 5000);
	/* While it serves it asks for nothing. */
	notify_extend(&notify, now + 9000, false);
	ck_assert_str_eq(heard(manager), "");
	ck_assert_uint_eq(notify_due(&notify, true), now + 14000);
	/* What comes sooner is waited for. */
	notify.interval = 1000;
	notify.next = now + 13000;
	ck_assert_uint_eq(notify_due(&notify, true), now + 13000);
	notify.next = now + 15000;
	ck_assert_uint_eq(notify_due(&notify, true), now + 14000);
	notify_close(&notify);
	(void)close(manager);
}
END_TEST

/* ------------------------------------------------------------------- titles */

static const struct {
	const char	*request, *title;
} titles[] = {
	{ "GET /a/b HTTP/1.1", "GET /a/b" }, { "GET", "GET" }, { "", "" },
	{ "GET ", "GET " }, { "GET /?secret=1 HTTP/1.1", "GET /" },
	{ "GET /a#b HTTP/1.1", "GET /a" }, { "GET /\x1b[2J HTTP/1.1",
	    "GET /\\x1b[2J" }
};

START_TEST(title_has_the_path_alone)
{
	char out[TITLE_SIZE];

	title_request(out, sizeof(out), titles[_i].request);
	ck_assert_str_eq(out, titles[_i].title);
}
END_TEST

/* A path of 95 bytes is shown behind its method, of a longer one so much. */
START_TEST(title_is_cut)
{
	char request[256] = "GET /", out[TITLE_SIZE], small[20];

	for (size_t length = 95; length <= 97; length++) {
		memset(request + 5, 'x', length - 1);
		request[4 + length] = '\0';
		title_request(out, sizeof(out), request);
		ck_assert_uint_eq(strlen(out), length <= 96 ? 4 + length
		    : 103);
		ck_assert(length <= 96 || strcmp(out + 100, "...") == 0);
		title_request(small, sizeof(small), request);
		ck_assert_uint_lt(strlen(small), sizeof(small));
	}
}
END_TEST

/* ------------------------------------------------------ how many are forked */

/*
 * A generation of eight is replaced, two at a time.  What the slots say, one
 * letter each: o an old worker that serves, n a new one, s a new one that
 * starts, l one that was told to leave and accepts still, x one that does not
 * any more, d one that was told long ago and is deaf, - none.
 */
static const struct {
	const char	*slots;
	enum reload	 reload;
	unsigned	 missing;
} rolls[] = {
	{ "oooooooo----", RELOAD_TRIAL, 1 },
	{ "oooooooos---", RELOAD_TRIAL, 0 },
	{ "xooooooon---", RELOAD_ROLLS, 2 },
	{ "looooooon---", RELOAD_ROLLS, 1 },
	{ "dooooooon---", RELOAD_ROLLS, 2 },
	{ "loooooooss--", RELOAD_ROLLS, 0 },
	{ "xooooooons--", RELOAD_ROLLS, 1 },
	{ "llooooooonn-", RELOAD_ROLLS, 0 },
	/* A death is made good for at once. */
	{ "l-oooooon---", RELOAD_ROLLS, 1 },
	{ "llllllllnnnn", RELOAD_ROLLS, 4 },
	{ "nnnnnnnnllll", RELOAD_ROLLS, 0 }
};

START_TEST(old_worker_counts_until_it_accepts_no_more)
{
	const uint64_t now = clock_ms();
	struct slot slots[12] = { { .state = SLOT_EMPTY } };
	const struct master master = {
		.slots = slots, .slot_count = 12, .wanted = 8,
		.generation = 2, .reload = rolls[_i].reload
	};

	for (unsigned i = 0; i < 12; i++) {
		const char what = rolls[_i].slots[i];
		const bool leaves = strchr("lxd", what) != NULL;

		slots[i].state = what == '-' ? SLOT_EMPTY : what == 's'
		    ? SLOT_STARTING : leaves ? SLOT_LEAVING : SLOT_SERVING;
		slots[i].generation = what == 'n' || what == 's' ? 2 : 1;
		slots[i].has_shut = what == 'x';
		slots[i].told = what == 'd' ? now - 60000 : now;
	}
	ck_assert_uint_eq(balance_missing(&master), rolls[_i].missing);
	ck_assert_uint_eq(balance_shut_due(&master),
	    strchr(rolls[_i].slots, 'l') != NULL ? now + 1000 : 0);
}
END_TEST

Suite *
prefork_suite(void)
{
	Suite *suite = suite_create("prefork");
	TCase *before = tcase_create("the program before");
	TCase *manager = tcase_create("the service manager");
	TCase *shown = tcase_create("titles");
	TCase *number = tcase_create("how many are forked");

	tcase_add_test(before, state_is_taken_over);
	tcase_add_test(before, way_back_says_why);
	tcase_add_test(before, no_state_is_none);
	tcase_add_loop_test(before, wrong_state_is_refused, 0, WRONG);
	tcase_add_test(before, cut_state_is_refused);
	tcase_add_loop_test(before, descriptor_of_a_state_is_no_standard_one,
	    0, 7);
	suite_add_tcase(suite, before);
	tcase_add_loop_test(manager, nobody_is_told, 0, 4);
	tcase_add_loop_test(manager, manager_is_told, 0, 2);
	tcase_add_loop_test(manager, watchdog_is_fed_by_whom_it_watches, 0, 2);
	tcase_add_test(manager, more_time_is_asked_for);
	suite_add_tcase(suite, manager);
	tcase_add_loop_test(shown, title_has_the_path_alone, 0, 7);
	tcase_add_test(shown, title_is_cut);
	suite_add_tcase(suite, shown);
	tcase_add_loop_test(number,
	    old_worker_counts_until_it_accepts_no_more, 0,
	    sizeof(rolls) / sizeof(rolls[0]));
	suite_add_tcase(suite, number);
	return suite;
}
