/* SPDX-License-Identifier: ISC */
/*
 * tine_form_save(): whole or not at all, from memory and from files, within a
 * file system, across two, and without /proc.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "form_test.h"

#define MULTIPART	"multipart/form-data; boundary=AaB"
#define OTHER_SYSTEM	"/dev/shm"

static const char body[] =
    "--AaB\r\n"
    "Content-Disposition: form-data; name=file; filename=f\r\n\r\n"
    "contents of a file\r\n--AaB\r\n"
    "Content-Disposition: form-data; name=empty; filename=g\r\n\r\n"
    "\r\n--AaB\r\n"
    "Content-Disposition: form-data; name=text\r\n\r\n"
    "text\r\n--AaB--\r\n";

static char dir[] = "/tmp/tine-save.XXXXXX";
static struct fake fake;
static struct tine_form *form;
static size_t descriptors;
static int dirfd_of_test;

static void
set_up(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dirfd_of_test = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ne(dirfd_of_test, -1);
	descriptors = count_descriptors();
	(void)umask(077);
}

static void
parse(const char *spool_dir)
{
	const struct tine_form_limits limits = { .spool_dir = spool_dir };

	fake_init(&fake, MULTIPART, BYTES(body));
	form = tine_form_parse(&fake.req, &limits);
	ck_assert_msg(form != NULL, "%s", tine_error());
}

/* All that is in the directory are the count files that were saved. */
static void
check_left(size_t count)
{
	fake_end(&fake);
	ck_assert_uint_eq(count_descriptors(), descriptors);
	ck_assert_uint_eq(count_files(dir), count);
}

static void
tear_down(void)
{
	char command[64];

	(void)close(dirfd_of_test);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static int
save(const char *field, const char *name, mode_t mode)
{
	return tine_form_save(tine_form_first(form, field), dirfd_of_test,
	    name, mode);
}

static void
check_file(const char *name, const char *contents, mode_t mode)
{
	struct stat status;
	char text[100] = "";
	const int fd = openat(dirfd_of_test, name, O_RDONLY);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, mode);
	ck_assert_uint_eq(status.st_nlink, 1);
	ck_assert_int_eq(read(fd, text, sizeof(text)),
	    (ssize_t)strlen(contents));
	ck_assert_str_eq(text, contents);
	(void)close(fd);
}

static void
save_all(void)
{
	ck_assert_msg(save("file", "a", 0644) == 0, "%s", tine_error());
	check_file("a", "contents of a file", 0644);
	ck_assert_int_eq(save("empty", "b", 0600), 0);
	check_file("b", "", 0600);
	ck_assert_int_eq(save("text", "c", 0666), 0);
	check_file("c", "text", 0666);
}

START_TEST(saves)
{
	parse(dir);
	save_all();
	check_left(3);
	check_file("a", "contents of a file", 0644);
}
END_TEST

START_TEST(saves_to_another_file_system)
{
	struct stat here, there;

	if (stat(dir, &here) == -1 || stat(OTHER_SYSTEM, &there) == -1 ||
	    here.st_dev == there.st_dev)
		return;
	parse(OTHER_SYSTEM);
	save_all();
	check_left(3);
}
END_TEST

/* In a chroot there is no name to link a file without a name by. */
START_TEST(saves_without_proc)
{
	pid_t child;
	int status;

	if (geteuid() != 0)
		return;
	parse(dir);
	child = fork();		/* no way leads out of a chroot */
	ck_assert_int_ne(child, -1);
	if (child == 0)
		_exit(chroot(dir) == -1 || chdir("/") == -1 ||
		    save("file", "a", 0644) == -1 ||
		    save("empty", "b", 0600) == -1 ||
		    save("text", "c", 0666) == -1 ||
		    save("text", "a", 0666) == 0 || errno != EEXIST);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	check_file("a", "contents of a file", 0644);
	check_file("b", "", 0600);
	check_file("c", "text", 0666);
	check_left(3);
}
END_TEST

START_TEST(takes_no_other_files_place)
{
	parse(dir);
	ck_assert_int_eq(save("text", "a", 0600), 0);
	ck_assert_int_eq(symlinkat("nowhere", dirfd_of_test, "b"), 0);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "a" : "b";

		errno = 0;
		ck_assert_int_eq(save("file", name, 0644), -1);
		ck_assert_int_eq(errno, EEXIST);
		errno = 0;
		ck_assert_int_eq(save("text", name, 0644), -1);
		ck_assert_int_eq(errno, EEXIST);
	}
	check_file("a", "text", 0600);
	ck_assert_int_eq(save("file", "c", 0600), 0);
	check_left(3);
}
END_TEST

/* A second file is a copy: a change of the first one is not seen in it. */
START_TEST(saves_twice)
{
	int fd;

	parse(dir);
	ck_assert_int_eq(save("file", "a", 0600), 0);
	ck_assert_int_eq(save("file", "b", 0640), 0);
	check_file("a", "contents of a file", 0600);
	check_file("b", "contents of a file", 0640);
	fd = openat(dirfd_of_test, "a", O_WRONLY | O_TRUNC);
	ck_assert_int_ne(fd, -1);
	(void)close(fd);
	check_file("b", "contents of a file", 0640);

	/* The form's own file is the first one: it has become shorter. */
	ck_assert_int_eq(save("file", "c", 0600), -1);
	ck_assert_int_eq(errno, EIO);
	check_left(2);
}
END_TEST

START_TEST(takes_paths)
{
	char path[64];

	parse(dir);
	ck_assert_int_eq(mkdirat(dirfd_of_test, "sub", 0700), 0);
	ck_assert_int_eq(save("file", "sub/a", 0600), 0);
	check_file("sub/a", "contents of a file", 0600);
	ck_assert_int_eq(save("text", "sub/../b", 0600), 0);
	check_file("b", "text", 0600);
	(void)snprintf(path, sizeof(path), "%s/c", dir);
	ck_assert_int_eq(tine_form_save(tine_form_first(form, "text"),
	    AT_FDCWD, path, 0600), 0);
	check_file("c", "text", 0600);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(tine_form_save(tine_form_first(form, "text"),
	    AT_FDCWD, "d", 0600), 0);
	check_file("d", "text", 0600);
	ck_assert_int_eq(chdir("/"), 0);
	check_left(4);
}
END_TEST

START_TEST(refuses_paths)
{
	static const struct {
		const char	*path;
		int		 error;
	} paths[] = {
		{ "", EINVAL }, { "a/", EINVAL }, { "/", EINVAL },
		{ "none/a", ENOENT }, { ".", EEXIST }, { "..", EEXIST }
	};

	parse(dir);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ck_assert_int_eq(save("text", paths[i].path, 0600), -1);
		ck_assert_int_eq(errno, paths[i].error);
		ck_assert_int_eq(save("file", paths[i].path, 0600), -1);
		ck_assert_int_eq(errno, paths[i].error);
	}
	ck_assert_str_eq(tine_error(),
	    "a field cannot be saved as '..': File exists");
	check_left(0);
}
END_TEST

Suite *
form_save_suite(void)
{
	Suite *suite = suite_create("form/save");
	TCase *cases = tcase_create("all");

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, saves);
	tcase_add_test(cases, saves_to_another_file_system);
	tcase_add_test(cases, saves_without_proc);
	tcase_add_test(cases, takes_no_other_files_place);
	tcase_add_test(cases, saves_twice);
	tcase_add_test(cases, takes_paths);
	tcase_add_test(cases, refuses_paths);
	suite_add_tcase(suite, cases);
	return suite;
}
