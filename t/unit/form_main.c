/* SPDX-License-Identifier: ISC */
/*
 * Runs the suites of lib/form, on a request without a server.
 */
#include <stdlib.h>

#include "form_test.h"

int
main(void)
{
	SRunner *runner = srunner_create(form_parameters_suite());
	int failed;

	srunner_add_suite(runner, form_part_suite());
	srunner_add_suite(runner, form_urlencoded_suite());
	srunner_add_suite(runner, form_multipart_suite());
	srunner_add_suite(runner, form_suite());
	srunner_add_suite(runner, form_save_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
