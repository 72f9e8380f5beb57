/* SPDX-License-Identifier: ISC */
/*
 * Linked into the library when coverage is measured.
 *
 * gcov writes its counters when a process leaves by exit(3).  Most of ours do
 * not: they leave by _exit(2), are killed, are locked in, or have become
 * somebody who may not write there.  So the counters lie in a file that all
 * processes map; gcov itself writes them only in the process that is told to,
 * once the tests are over (see t/coverage).
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOWN	__attribute__((__visibility__("hidden")))

/* From t/coverage.ld: on pages of their own. */
extern char	 coverage_counters[] SHOWN, coverage_counters_end[] SHOWN;

void		 __real___gcov_exit(void);
void		 __wrap___gcov_exit(void);

static void	*counters = MAP_FAILED;

static void	share_counters(void) __attribute__((__constructor__(101)));

static void
share_counters(void)
{
	const size_t size =
	    (size_t)(coverage_counters_end - coverage_counters);
	const int fd = open(COVERAGE_COUNTERS, O_RDWR | O_CREAT | O_CLOEXEC,
	    0666);

	if (fd == -1)
		return;
	(void)fchmod(fd, 0666);
	if (ftruncate(fd, (off_t)size) == 0)
		counters = mmap(coverage_counters, size,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	(void)close(fd);
}

void
__wrap___gcov_exit(void)
{
	if (counters == MAP_FAILED || getenv("TINE_COVERAGE_WRITE") != NULL)
		__real___gcov_exit();
}
