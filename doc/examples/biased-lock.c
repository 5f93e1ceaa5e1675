/* SPDX-License-Identifier: MIT */

/*
 * What the asymmetric fence is good for by itself: a lock that one thread, its
 * owner, takes millions of times with plain stores and loads, and others take
 * now and then at the price of a heavy fence. Dekker's way to mutual exclusion:
 * each side raises its flag, fences, and looks at the other's flag. The owner's
 * fence is light, everybody else's heavy; each is ordered against the other.
 */

#include <pthread.h>
#include <stdio.h>

#include <urcu-membarrier/fence.h>

static struct {
	int owner_in, guest_wants;
	pthread_mutex_t guests;		/* also where the owner waits */
} lock = { .guests = PTHREAD_MUTEX_INITIALIZER };

static unsigned long counter;		/* what the lock protects */

static int owner_lock(void)		/* 1: by the slow way */
{
	__atomic_store_n(&lock.owner_in, 1, __ATOMIC_RELAXED);
	umb_fence_light();
	/* Acquire: the last guest's work is seen. */
	if (!__atomic_load_n(&lock.guest_wants, __ATOMIC_ACQUIRE))
		return 0;
	__atomic_store_n(&lock.owner_in, 0, __ATOMIC_RELEASE);
	pthread_mutex_lock(&lock.guests);
	return 1;
}

static void owner_unlock(int slow)
{
	if (slow)
		pthread_mutex_unlock(&lock.guests);
	else
		__atomic_store_n(&lock.owner_in, 0, __ATOMIC_RELEASE);
}

static void guest_lock(void)
{
	pthread_mutex_lock(&lock.guests);
	__atomic_store_n(&lock.guest_wants, 1, __ATOMIC_RELAXED);
	umb_fence_heavy();
	while (__atomic_load_n(&lock.owner_in, __ATOMIC_ACQUIRE))
		;
}

static void guest_unlock(void)
{
	__atomic_store_n(&lock.guest_wants, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock.guests);
}

static void *owner(void *rounds)
{
	umb_fence_register_thread();
	for (unsigned long i = *(unsigned long *) rounds; i; i--) {
		int slow = owner_lock();

		counter++;
		owner_unlock(slow);
	}
	return NULL;
}

int main(void)
{
	unsigned long rounds = 1000000, visits = 20;
	pthread_t thread;

	if (pthread_create(&thread, NULL, owner, &rounds))
		return 1;
	for (unsigned long i = 0; i < visits; i++) {
		guest_lock();
		counter++;
		guest_unlock();
	}
	pthread_join(thread, NULL);
	printf("counted to %lu of %lu\n", counter, rounds + visits);
	return counter != rounds + visits;
}
