/* SPDX-License-Identifier: MIT */

/*
 * What a thread notices that is fenced by signal while it is blocked in a call:
 * the manual has the list. Each call stands here for itself; some go on, some
 * return EINTR. A call that goes on is let go after a few deliveries. And who
 * is left alone: threads that are offline, by grace periods.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/cases.h"
#include "tests/lib/tap.h"

#define DELIVERIES	3
#define LONG_SECONDS	20
#define LONG_MS		(1000 * LONG_SECONDS)
#define GRACE_PERIODS	20

static int ends[2];			/* of a pipe, or sockets */
static int wait_word;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int said;

static const struct timespec a_while = { LONG_SECONDS, 0 };

/* 0, or errno; calls of POSIX threads return that by themselves. */
static int outcome(long ret)
{
	return ret < 0 ? errno : 0;
}

static struct timespec later(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += LONG_SECONDS;
	return t;
}

static void make_pipe(void)
{
	expect(!pipe(ends), "pipe");
}

static void make_sockets(void)
{
	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
}

static void make_listener(void)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };

	/* An address of the kernel's choice, in no directory. */
	ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	expect(!bind(ends[0], (void *) &any, sizeof any.sun_family)
	       && !listen(ends[0], 1), "listen");
}

static void make_child(void)
{
	make_pipe();
	if (!fork()) {
		char c;

		close(ends[1]);
		_exit((int) read(ends[0], &c, 1));
	}
	close(ends[0]);
}

static void write_one(void)
{
	expect(write(ends[1], "", 1) == 1, "write");
}

static void close_end(void)
{
	close(ends[1]);
}

static void connect_to_it(void)
{
	struct sockaddr_un name;
	socklen_t length = sizeof name;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	getsockname(ends[0], (void *) &name, &length);
	expect(!connect(fd, (void *) &name, length), "connect");
}

static void wake_word(void)
{
	/* Between a handler's end and the call's restart nobody is there. */
	while (syscall(__NR_futex, &wait_word, FUTEX_WAKE_PRIVATE, 1, NULL,
		       NULL, 0) == 0)
		usleep(100);
}

static void hold_mutex(void)
{
	pthread_mutex_lock(&mutex);
}

static void let_mutex_go(void)
{
	pthread_mutex_unlock(&mutex);
}

static void say(void)
{
	pthread_mutex_lock(&mutex);
	said = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
}

static void post(void)
{
	sem_post(&semaphore);
}

static void block_awaited(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void send_awaited(void)
{
	kill(getpid(), SIGUSR2);
}

static void make_semaphore(void)
{
	sem_init(&semaphore, 0, 0);
}

static int call_read(void)
{
	char c;

	return outcome(read(ends[0], &c, 1));
}

static int call_recv(void)
{
	char c;

	return outcome(recv(ends[0], &c, 1, 0));
}

static int call_recv_limited(void)
{
	struct timeval limit = { LONG_SECONDS, 0 };

	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return call_recv();
}

static int call_accept(void)
{
	return outcome(accept(ends[0], NULL, NULL));
}

static int call_wait(void)
{
	return outcome(wait(NULL));
}

static int call_futex(void)
{
	return outcome(syscall(__NR_futex, &wait_word, FUTEX_WAIT_PRIVATE, 0,
			       NULL, NULL, 0));
}

static int call_mutex(void)
{
	int ret = pthread_mutex_lock(&mutex);

	pthread_mutex_unlock(&mutex);
	return ret;
}

static int call_cond(void)
{
	struct timespec t = later();
	int ret = 0;

	pthread_mutex_lock(&mutex);
	while (!said && !ret)
		ret = pthread_cond_timedwait(&cond, &mutex, &t);
	pthread_mutex_unlock(&mutex);
	return ret;
}

static int call_sem(void)
{
	return outcome(sem_wait(&semaphore));
}

static int call_sem_limited(void)
{
	struct timespec t = later();

	return outcome(sem_timedwait(&semaphore, &t));
}

static int call_poll(void)
{
	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	return outcome(poll(&p, 1, LONG_MS));
}

static int call_ppoll(void)
{
	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	return outcome(ppoll(&p, 1, &a_while, NULL));
}

static int call_select(void)
{
	struct timeval limit = { LONG_SECONDS, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return outcome(select(ends[0] + 1, &set, NULL, NULL, &limit));
}

static int call_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(0);

	epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event);
	return outcome(epoll_wait(fd, &event, 1, LONG_MS));
}

static int call_nanosleep(void)
{
	return outcome(nanosleep(&a_while, NULL));
}

static int call_clock_nanosleep(void)
{
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &a_while, NULL);
}

static int call_sleep(void)
{
	return sleep(LONG_SECONDS) ? EINTR : 0;
}

static int call_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return outcome(sigtimedwait(&set, NULL, &a_while));
}

static int call_pause(void)
{
	return outcome(pause());
}

/*
 * musl calls again by itself: after EINTR in sigtimedwait(), and in sem_timedwait()
 * while all of the program's handlers have SA_RESTART.
 */
#ifdef __GLIBC__
# define CALLS_AGAIN	0
#else
# define CALLS_AGAIN	1
#endif

static const struct call {
	const char *name;
	void (*prepare)(void);
	int (*call)(void);
	void (*let_go)(void);	/* NULL: it ends with EINTR */
} calls[] = {
	{ "accept", make_listener, call_accept, connect_to_it },
	{ "futex(FUTEX_WAIT) without a timeout", NULL, call_futex, wake_word },
	{ "pthread_cond_timedwait", NULL, call_cond, say },
	{ "pthread_mutex_lock", hold_mutex, call_mutex, let_mutex_go },
	{ "read", make_pipe, call_read, write_one },
	{ "recv", make_sockets, call_recv, write_one },
	{ "sem_wait", make_semaphore, call_sem, post },
	{ "wait", make_child, call_wait, close_end },

	{ "clock_nanosleep", NULL, call_clock_nanosleep, NULL },
	{ "epoll_wait", make_pipe, call_epoll, NULL },
	{ "nanosleep", NULL, call_nanosleep, NULL },
	{ "pause", NULL, call_pause, NULL },
	{ "poll", make_pipe, call_poll, NULL },
	{ "ppoll", make_pipe, call_ppoll, NULL },
	{ "recv with SO_RCVTIMEO", make_sockets, call_recv_limited, NULL },
	{ "select", make_pipe, call_select, NULL },
	{ "sem_timedwait", make_semaphore, call_sem_limited,
	  CALLS_AGAIN ? post : NULL },
	{ "sigtimedwait", block_awaited, call_sigtimedwait,
	  CALLS_AGAIN ? send_awaited : NULL },
	{ "sleep", NULL, call_sleep, NULL },
};

/* The thread that is in the call. */
static struct caller {
	struct worker worker;
	const struct call *call;
	int inside, done, result;
} caller;

static int load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void own(int signal)
{
	(void) signal;
	worker_ran();
}

/* The program's handler, below the library's. */
static void count_deliveries(void)
{
	struct sigaction a = { .sa_handler = own, .sa_flags = SA_RESTART };

	expect(!sigaction(umb_fence_signal(), &a, NULL), "sigaction");
	case_mode(UMB_FENCE_SIGNAL);
}

static void *make_call(void *arg)
{
	struct caller *c = arg;

	worker_become(&c->worker);
	store(&c->inside, 1);
	c->result = c->call->call();
	store(&c->done, 1);
	return NULL;
}

/* Is it asleep, by the kernel's account? */
static int asleep(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int) tid);
	file = fopen(path, "r");
	if (!file)
		case_skip("no /proc");
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

static void until_inside(const int *inside, const struct worker *w)
{
	long begin = now_seconds();

	while ((!load(inside) || !asleep(w->tid)) && wait_a_little(begin))
		;
}

static void run_call(const void *arg)
{
	const struct call *call = arg;
	long begin = now_seconds();

	caller.call = call;
	if (call->prepare)
		call->prepare();
	count_deliveries();
	pthread_create(&caller.worker.thread, NULL, make_call, &caller);
	until_inside(&caller.inside, &caller.worker);
	expect(fence_until_runs(&caller.worker, call->let_go ? DELIVERIES : 1),
	       "fences are answered by signal");
	if (call->let_go) {
		expect(!load(&caller.done), "it goes on");
		call->let_go();
	} else {
		while (!load(&caller.done) && wait_a_little(begin))
			umb_fence_heavy();
		expect(load(&caller.done), "it ends");
	}
	pthread_join(caller.worker.thread, NULL);
	expect(caller.result == (call->let_go ? 0 : EINTR), call->let_go
	       ? "it ends as if nothing had been" : "EINTR");
}

/* In poll(), until there is something to read; `naps` says how often EINTR. */
static struct poller {
	struct worker worker;
	int offline;
	int inside;
	unsigned int interrupted;
} poller;

static void *poll_on(void *arg)
{
	struct poller *p = arg;
	int ret;

	worker_become(&p->worker);
	urcu_membarrier_read_lock();
	urcu_membarrier_read_unlock();
	if (p->offline)
		urcu_membarrier_thread_offline();
	store(&p->inside, 1);
	while ((ret = call_poll()) == EINTR)
		__atomic_fetch_add(&p->interrupted, 1, __ATOMIC_SEQ_CST);
	expect(!ret, "poll");
	return NULL;
}

/* `arg`: it is offline. */
static void run_offline(const void *arg)
{
	struct worker reader;
	long begin = now_seconds();

	poller.offline = !!arg;
	make_pipe();
	count_deliveries();
	worker_start(&reader, SLEEPS | READS, -1);
	pthread_create(&poller.worker.thread, NULL, poll_on, &poller);
	until_inside(&poller.inside, &poller.worker);
	for (int i = 0; i < GRACE_PERIODS; i++)
		urcu_membarrier_synchronize_rcu();
	while (!worker_runs(&reader) && wait_a_little(begin))
		urcu_membarrier_synchronize_rcu();
	expect(worker_runs(&reader), "grace periods send signals");
	if (poller.offline) {
		expect(!worker_runs(&poller.worker),
		       "they leave an offline thread alone");
		expect(!poller.interrupted, "and its poll()");
		expect(fence_until_runs(&poller.worker, 1), "others do not");
	} else {
		while (!worker_runs(&poller.worker) && wait_a_little(begin))
			urcu_membarrier_synchronize_rcu();
		expect(worker_runs(&poller.worker), "they fence an online one");
	}
	write_one();
	pthread_join(poller.worker.thread, NULL);
	expect(poller.interrupted <= worker_runs(&poller.worker),
	       "nothing else interrupts it");
	worker_stop(&reader);
}

int main(int argc, char **argv)
{
	case_main(argc, argv);
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		case_run(run_call, &calls[i], "%s %s", calls[i].name,
			 calls[i].let_go ? "goes on" : "returns EINTR");
	case_run(run_offline, "", "an offline reader in poll()");
	case_run(run_offline, NULL, "an online reader in poll()");
	return tap_end();
}
