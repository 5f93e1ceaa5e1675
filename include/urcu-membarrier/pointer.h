/* SPDX-License-Identifier: MIT */
#ifndef URCU_MEMBARRIER_POINTER_H
#define URCU_MEMBARRIER_POINTER_H

/*
 * Publishing and following RCU-protected pointers, inline for everybody.
 * They mean what rcu_dereference() and its family mean in liburcu, whose
 * inline versions are for LGPL-compatible sources only.
 *
 * Safe in signal handlers; none blocks; errno is left alone. Since 0.1.
 */

/* The type of the value of x: without its const and volatile. */
#define UMB_VALUE_TYPE_(x)						\
	__typeof__(__extension__ ({ __typeof__(x) umb_value_ = { 0 };	\
				    umb_value_; }))

#ifdef DEBUG_RCU
# include <urcu-membarrier/debug.h>
# define UMB_CHECK_SECTION_()	UMB_DEBUG_CALL_(umb_debug_dereference())
#else
# define UMB_CHECK_SECTION_()	((void) 0)
#endif

/*
 * umb_dereference(p): the value of the lvalue p, to be followed inside the
 * read-side critical section that fetched it. Pairs with umb_assign_pointer():
 * what the updater stored before publishing is seen through the pointer.
 */
#define umb_dereference(p)						\
	__extension__ ({						\
		UMB_CHECK_SECTION_();					\
		/*							\
		 * access POINTER.follow, consume. Pairs: POINTER.publish (release). \
		 * Today's compilers make an acquire of it.		\
		 */							\
		__atomic_load_n(&(p), __ATOMIC_CONSUME);		\
	})

/*
 * umb_dereference_protected(p): the same for an updater who keeps others from
 * changing p, so that there is no order to keep and no section to be in.
 */
#define umb_dereference_protected(p)					\
	__extension__ ({						\
		/* Relaxed: the caller has published it, or synchronizes. */ \
		__atomic_load_n(&(p), __ATOMIC_RELAXED);		\
	})

/* umb_assign_pointer(p, v): publish v in the lvalue p. */
#define umb_assign_pointer(p, v)					\
	do {								\
		UMB_VALUE_TYPE_(p) umb_assigned_ = (v);			\
		/*							\
		 * access POINTER.publish, release. Pairs: POINTER.follow (consume). \
		 * Orders the element's contents before the pointer to it. \
		 */							\
		__atomic_store_n(&(p), umb_assigned_, __ATOMIC_RELEASE);	\
	} while (0)

/*
 * umb_xchg_pointer(pp, v): publish v in *pp and return what was there.
 * A full memory barrier.
 */
#define umb_xchg_pointer(pp, v)						\
	__extension__ ({						\
		UMB_VALUE_TYPE_(*(pp)) umb_exchanged_ = (v);		\
		__atomic_exchange_n(pp, umb_exchanged_, __ATOMIC_SEQ_CST); \
	})

/*
 * umb_cmpxchg_pointer(pp, old, v): publish v in *pp if old is there. Returns
 * what was there: old if and only if it was replaced. A full memory barrier.
 */
#define umb_cmpxchg_pointer(pp, old, v)					\
	__extension__ ({						\
		UMB_VALUE_TYPE_(*(pp)) umb_compared_ = (old);		\
		UMB_VALUE_TYPE_(*(pp)) umb_replaced_ = (v);		\
		__atomic_compare_exchange_n(pp, &umb_compared_,		\
				umb_replaced_, 0,			\
				__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
		umb_compared_;						\
	})

#endif /* URCU_MEMBARRIER_POINTER_H */
