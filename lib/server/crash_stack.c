/* SPDX-License-Identifier: ISC */
/*
 * The stack on which a thread's crash is handled: its own may be full.
 */
#include <sys/mman.h>

#include <pthread.h>
#include <signal.h>

#include "crash_parts.h"

#define GUARD		((size_t)64 * 1024)

static _Thread_local void *stack;

void
crash_stack_open(void)
{
	stack_t alternate = { .ss_size = CRASH_STACK };
	char *memory;

	if (stack != NULL)
		return;
	memory = mmap(NULL, GUARD + CRASH_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED)
		return;		/* then a stack overflow has no farewell */
	(void)mprotect(memory, GUARD, PROT_NONE);
	stack = memory;
	alternate.ss_sp = memory + GUARD;
	(void)sigaltstack(&alternate, NULL);
	(void)pthread_setspecific(crash.key, memory);
}

void
crash_stack_close(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (stack == NULL)
		return;
	(void)pthread_setspecific(crash.key, NULL);
	(void)sigaltstack(&none, NULL);
	(void)munmap(stack, GUARD + CRASH_STACK);
	stack = NULL;
}
