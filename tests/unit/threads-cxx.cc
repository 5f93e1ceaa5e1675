/* SPDX-License-Identifier: MIT */

/*
 * The header in C++: sections in constructors and destructors of thread_local
 * objects, in threads joined and detached, and the pointer macros.
 */

#include <atomic>
#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

#include <unistd.h>

#include "tests/lib/tap.h"
#ifdef UMB_TEST_API_MAP
# define URCU_API_MAP
#endif
#include "urcu/urcu-membarrier.h"
#ifndef UMB_TEST_API_MAP
# define rcu_read_lock() urcu_membarrier_read_lock()
# define rcu_read_unlock() urcu_membarrier_read_unlock()
# define rcu_read_ongoing() urcu_membarrier_read_ongoing()
# define rcu_unregister_thread() urcu_membarrier_unregister_thread()
# define synchronize_rcu() urcu_membarrier_synchronize_rcu()
#endif

namespace {

const unsigned int limit_seconds = 60, hold_us = 40 * 1000;
const unsigned long valid = 0x600D, poison = 0x0DEAD;

struct element {
	std::atomic<unsigned long> value;
};

element elements[64];
element *shared = &elements[0];
std::atomic<unsigned long> stale, sections, ends, inside, over;

/* A section, for as long as the object lives. */
class section {
public:
	section() { rcu_read_lock(); }
	~section() { rcu_read_unlock(); }
	section(const section &) = delete;
	section &operator=(const section &) = delete;
};

void look()
{
	section guard;
	element *e = umb_dereference(shared);

	for (int i = 0; i < 3; i++)
		if (e->value.load(std::memory_order_relaxed) != valid)
			stale++;
	sections++;
}

struct reads_at_both_ends {
	reads_at_both_ends() { look(); }
	~reads_at_both_ends() { look(); ends++; }
	void touch() { }
};

struct reads_at_the_end {
	bool touched = false;
	~reads_at_the_end() { look(); rcu_unregister_thread(); look(); ends++; }
	void touch() { touched = true; }
};

struct waited_for_at_the_end {
	bool touched = false;
	~waited_for_at_the_end()
	{
		section guard;

		inside++;
		usleep(hold_us);
		over++;
	}
	void touch() { touched = true; }
};

/* In functions: at namespace scope, one that is used makes all of them. */
template<typename T> T &mine()
{
	static thread_local T object;

	return object;
}

enum { FIRST = 1, SECOND = 2, READ = 4, READ_AFTER = 8, KINDS = 16 };

void live(unsigned int kind)
{
	if (kind & READ)
		look();
	if (kind & FIRST)
		mine<reads_at_both_ends>().touch();
	if (kind & SECOND)
		mine<reads_at_the_end>().touch();
	if (kind & READ_AFTER)
		look();
}

void update(unsigned long n)
{
	element *e = &elements[n % 64];
	element *old;

	e->value = valid;
	old = umb_xchg_pointer(&shared, e);
	synchronize_rcu();
	old->value = poison;
}

void test_joined()
{
	unsigned long rounds = tap_scale(4000, 4), n = 1;

	stale = ends = 0;
	elements[0].value = valid;
	for (unsigned long i = 0; i < rounds; i += 4) {
		std::vector<std::thread> threads;

		for (unsigned int kind = 0; kind < KINDS; kind++)
			threads.emplace_back(live, kind);
		update(n++);
		for (auto &thread : threads)
			thread.join();
		update(n++);
	}
	tap_ok(!stale && ends == (rounds + 3) / 4 * KINDS,
	       "joined threads: no stale element, %lu objects ended",
	       ends.load());
}

void test_detached()
{
	unsigned long rounds = tap_scale(400, 4), n = 1, wanted = 0;

	shared = &elements[0];
	elements[0].value = valid;
	stale = ends = 0;
	for (unsigned long i = 0; i < rounds; i++) {
		for (unsigned int kind = 0; kind < KINDS; kind++)
			std::thread(live, kind).detach();
		wanted += KINDS;
		update(n++);
	}
	while (ends < wanted) {
		update(n++);
		usleep(1000);
	}
	for (int i = 0; i < 3; i++)
		update(n++);
	tap_ok(!stale, "detached threads: no stale element in %lu sections",
	       sections.load());
}

void test_waited_for()
{
	std::thread thread([] { mine<waited_for_at_the_end>().touch(); });

	while (!inside)
		usleep(50);
	synchronize_rcu();
	tap_ok(over == 1, "a section in a thread_local's destructor is waited for");
	thread.join();
}

/* A thread whose section ends by an exception. */
void test_exception()
{
	int depth = -1;
	std::thread thread([&depth] {
		try {
			section outer, inner;

			throw 1;
		} catch (int) {
			depth = rcu_read_ongoing();
		}
	});

	thread.join();
	synchronize_rcu();
	tap_ok(!depth, "an exception leaves its sections");
}

struct base {
	int value;
};
struct derived : base {
	const base *link;
	int *array[2];
};

template<typename T> T *fetch(T *const &p)
{
	return umb_dereference(p);
}

void test_pointers()
{
	static derived d, other;
	base *p = nullptr, *old;
	const derived &view = d;
	void *any = NULL;

	umb_assign_pointer(p, &d);
	tap_ok(umb_dereference(p) == &d, "a derived class for its base");
	old = umb_xchg_pointer(&p, nullptr);
	tap_ok(old == &d && !p, "exchanged with nullptr");
	old = umb_cmpxchg_pointer(&p, nullptr, &other);
	tap_ok(!old && p == &other, "compared with nullptr");
	old = umb_cmpxchg_pointer(&p, NULL, &d);
	tap_ok(old == &other && p == &other, "compared with NULL");
	umb_assign_pointer(p, NULL);
	umb_assign_pointer(d.link, &other);
	tap_ok(!umb_dereference(p) && umb_dereference(view.link) == &other,
	       "NULL assigned; a member of a const object");
	umb_assign_pointer(any, &d);
	umb_assign_pointer(d.array[1], &other.value);
	tap_ok(umb_dereference(any) == &d && fetch(d.array[1]) == &other.value,
	       "void *; an array's member, in a template");
}

void test_addresses()
{
	void (*lock)() = urcu_membarrier_read_lock;
	void (*unlock)() = &urcu_membarrier_read_unlock;
	int depth;

	lock();
	depth = rcu_read_ongoing();
	unlock();
	tap_ok(depth == 1 && !rcu_read_ongoing(), "functions have addresses");
}

} // namespace

int main()
{
	tap_begin();
	alarm(limit_seconds);
	test_pointers();
	test_addresses();
	test_exception();
	test_waited_for();
	test_joined();
	test_detached();
	return tap_end();
}
