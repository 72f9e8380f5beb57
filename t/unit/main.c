/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "unit.h"

int
main(void)
{
	SRunner *runner = srunner_create(base_suite());
	int failed;

	srunner_add_suite(runner, files_suite());
	srunner_add_suite(runner, head_suite());
	srunner_add_suite(runner, log_suite());
	srunner_add_suite(runner, prefork_suite());
	srunner_add_suite(runner, proxy_suite());
	srunner_add_suite(runner, server_suite());
	srunner_add_suite(runner, users_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
