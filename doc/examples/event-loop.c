/* SPDX-License-Identifier: MIT */

/*
 * A worker as in a daemon: it blocks signals, and waits most of the time. It
 * leaves the barrier's signal open, which is cheaper for updaters where there is
 * no membarrier; and it is offline while it waits, so that grace periods neither
 * wait for it nor interrupt it then.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define URCU_API_MAP
#include <urcu/urcu-membarrier.h>

#define REQUESTS 100u

struct config {
	unsigned int answer;
};

static struct config *current;
static int requests[2], answers[2];

static void publish(unsigned int answer)
{
	struct config *new = malloc(sizeof *new), *old;

	if (!new)
		exit(1);
	new->answer = answer;
	old = umb_xchg_pointer(&current, new);
	synchronize_rcu();
	free(old);
}

/* Nonzero: there is a request. Zero: there will be no more. */
static int wait_for_request(void)
{
	struct pollfd input = { .fd = requests[0], .events = POLLIN };
	char request;

	rcu_thread_offline();
	while (poll(&input, 1, -1) < 0)
		if (errno != EINTR)	/* a signal came before we were offline */
			exit(1);
	return read(requests[0], &request, 1) == 1;
}

static void *worker(void *arg)
{
	sigset_t mask;

	sigfillset(&mask);
	sigdelset(&mask, umb_fence_signal());
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	while (wait_for_request()) {
		unsigned int answer;

		rcu_read_lock();	/* online again */
		answer = umb_dereference(current)->answer;
		rcu_read_unlock();
		if (write(answers[1], &answer, sizeof answer) != sizeof answer)
			exit(1);
	}
	return arg;
}

int main(void)
{
	unsigned int answer, right = 0;
	pthread_t thread;

	if (pipe(requests) || pipe(answers))
		return 1;
	publish(0);
	if (pthread_create(&thread, NULL, worker, NULL))
		return 1;
	for (unsigned int i = 1; i <= REQUESTS; i++) {
		publish(i);
		if (write(requests[1], "?", 1) != 1
		    || read(answers[0], &answer, sizeof answer) != sizeof answer)
			return 1;
		right += answer == i;
	}
	close(requests[1]);
	pthread_join(thread, NULL);
	printf("%u of %u answers are up to date\n", right, REQUESTS);
	free(current);
	return 0;
}
