/* SPDX-License-Identifier: ISC */
/*
 * The kernel's capabilities(7), which tine's workers need none of.
 */
#ifndef PREFORK_CAPABILITIES_H
#define PREFORK_CAPABILITIES_H

/*
 * Empties the bounding set.  It takes a privilege: before the user changes.
 * Without it the set stays, and gives nothing to who has no_new_privs.
 */
void	capabilities_bound(void);

/* Empties the other four.  Returns -1 with errno. */
int	capabilities_drop(void);

#endif
