/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "reclaim/gate.h"
#include "sys/tsan.h"
#include "thread/hold.h"

void umbi_gate_enter(struct umbi_gate *gate)
{
	for (;;) {
		/* Acquire: before the look whether it is open. */
		uint32_t left = __atomic_load_n(&gate->left, __ATOMIC_ACQUIRE);
		const void *nobody = NULL;

		/* access GATE.enter, acquire. Pairs: GATE.leave (release). */
		if (__atomic_compare_exchange_n(&gate->owner, &nobody,
				&urcu_membarrier_reader, 0,
				__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			umbi_tsan_acquire(&gate->owner);
			return;
		}
		umbi_sleep(&gate->left, left, UMBI_FOREVER);
	}
}

void umbi_gate_leave(struct umbi_gate *gate)
{
	umbi_tsan_release(&gate->owner);
	/* access GATE.leave, release. Pairs: GATE.enter (acquire). */
	__atomic_store_n(&gate->owner, NULL, __ATOMIC_RELEASE);
	/* After that: who reads the new number finds it open, or somebody else in. */
	__atomic_fetch_add(&gate->left, 1, __ATOMIC_RELEASE);
	umbi_futex_wake(&gate->left, 1);
}

int umbi_gate_ours(const struct umbi_gate *gate)
{
	return __atomic_load_n(&gate->owner, __ATOMIC_RELAXED)
		== &urcu_membarrier_reader;
}

void umbi_gate_forked(struct umbi_gate *gate)
{
	gate->left++;
	if (!umbi_gate_ours(gate))
		gate->owner = NULL;
}
