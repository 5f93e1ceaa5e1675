/* SPDX-License-Identifier: MIT */

/*
 * What <urcu/pointer.h> calls in programs without _LGPL_SOURCE. Each flavour
 * of liburcu brings these; with several in a process, any one serves all.
 */

#include "urcu-membarrier/pointer.h"

void *rcu_dereference_sym(void *p);
void *rcu_set_pointer_sym(void **p, void *v);
void *rcu_xchg_pointer_sym(void **p, void *v);
void *rcu_cmpxchg_pointer_sym(void **p, void *old, void *new);

void *rcu_dereference_sym(void *p)
{
	return umb_dereference(p);
}

void *rcu_set_pointer_sym(void **p, void *v)
{
	umb_assign_pointer(*p, v);
	return v;
}

void *rcu_xchg_pointer_sym(void **p, void *v)
{
	return umb_xchg_pointer(p, v);
}

void *rcu_cmpxchg_pointer_sym(void **p, void *old, void *new)
{
	return umb_cmpxchg_pointer(p, old, new);
}
