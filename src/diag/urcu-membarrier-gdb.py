# SPDX-License-Identifier: MIT
"""The readers of liburcu-membarrier, for gdb: a live process or a core file.

    (gdb) source /usr/share/liburcu-membarrier/urcu-membarrier-gdb.py
    (gdb) rcu-readers
    grace period 23, which waits for 1 thread since 12.345 s
      tid 4711, thread 2 "worker": in a section of depth 1, 1 grace period old,
        began at look_up+23 in reload.c:51; the updater sleeps on it
    7 more threads are registered; "rcu-readers all" lists them

Neither the library nor the program needs debug information. What is read is
part of the library's ABI: urcu_membarrier_gp, the first members of the registry
that it points to, and the threads' records.

To try it: gdb -batch -x urcu-membarrier-gdb.py -ex 'rcu-readers all' -p PID
"""

import re
import time

import gdb

NEST_BITS = 16
NEST_MAX = 0x3FFF
VISITOR = 0x8000
OFFLINE = 0x1FFF8
ENTERING = 0x2FFF8
SEQ_FIRST = 5           # sections that have just come online may have one less
WAITING_UPDATER = 1
THREADS_MAX = 1 << 22   # more than the kernel has


class Unreadable(Exception):
    """Why there is nothing to tell."""


class Memory:
    """Raw words of the process."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.long = gdb.lookup_type("void").pointer().sizeof
        text = gdb.execute("show endian", to_string=True)
        self.order = "big" if "big endian" in text else "little"
        self.max = (1 << 8 * self.long) - 1

    def word(self, address, size):
        data = self.inferior.read_memory(address & self.max, size)
        return int.from_bytes(bytes(data), self.order)

    def u32(self, address):
        return self.word(address, 4)

    def ulong(self, address):
        return self.word(address, self.long)

    def seq(self, counter):
        """The number of a grace period; the top bit is another matter."""
        return (counter & self.max >> 1) >> NEST_BITS


class GracePeriods:
    """struct urcu_membarrier_gp and struct umbi_registry."""

    SIZE = 128

    def __init__(self, memory, address):
        end = address + self.SIZE
        self.memory = memory
        self.word = memory.ulong(address)
        self.registry = memory.ulong(end - 2 * memory.long)
        self.waits_since_ms = memory.ulong(end - memory.long)
        self.number = memory.seq(self.word)
        if (self.word & (1 << NEST_BITS) - 1 != 1 or self.number < SEQ_FIRST
                or not self.registry):
            raise Unreadable("urcu_membarrier_gp has a layout that this "
                             "script does not know: is it another version?")

    def age(self, number):
        """In grace periods, or None. Numbers come round."""
        if number < SEQ_FIRST:
            return None
        count = (self.memory.max >> NEST_BITS + 1) + 1 - SEQ_FIRST
        return (self.number - number) % count

    def addresses(self):
        memory = self.memory
        slots, used, overflow = [memory.ulong(self.registry + i * memory.long)
                                 for i in range(3)]
        if used > THREADS_MAX:
            raise Unreadable("the registry of readers has a layout that this "
                             "script does not know")
        for i in range(used):
            yield memory.ulong(slots + i * memory.long), i
        seen = set()
        while overflow and overflow not in seen:
            seen.add(overflow)
            yield overflow, memory.max
            overflow = memory.ulong(Reader.member(memory, overflow, 1))

    def readers(self):
        for address, index in self.addresses():
            reader = Reader(self.memory, address)
            if reader.index != index:
                raise Unreadable("a reader's record has a layout that this "
                                 "script does not know, or the registry is "
                                 "just being changed")
            yield reader


class Reader:
    """struct urcu_membarrier_reader."""

    @staticmethod
    def member(memory, address, n):
        """The n-th of the words that follow the numbers of 32 bits."""
        return address + memory.long + 8 * 4 + n * memory.long

    def __init__(self, memory, address):
        self.counter = memory.ulong(address)
        self.waiting = memory.u32(address + memory.long)
        self.asked = memory.u32(address + memory.long + 4)
        self.tid = memory.u32(address + memory.long + 16)
        self.index = memory.ulong(self.member(memory, address, 0))
        self.entered = memory.ulong(self.member(memory, address, 9))
        self.number = memory.seq(self.counter)
        nest = self.counter & (1 << NEST_BITS) - 1 & ~VISITOR
        self.depth = nest if nest <= NEST_MAX else 0
        self.broken = nest > NEST_MAX and self.counter not in (OFFLINE, ENTERING)

    def holds(self, gp):
        """Does the newest grace period wait for it?"""
        return self.depth and self.number != gp.number


def addresses_of_gp():
    """Of all copies; that of the program, to which others are bound, first."""
    text = gdb.execute("info variables -n ^urcu_membarrier_gp(@.*)?$",
                       to_string=True)
    found = []
    try:
        found.append(int(gdb.parse_and_eval("(unsigned long)"
                                            "&urcu_membarrier_gp")))
    except gdb.error:
        pass
    for line in re.findall(r"^(0x[0-9a-f]+) ", text, re.MULTILINE):
        found.append(int(line, 16))
    return found


def find_gp(memory):
    if not memory.inferior.pid:
        raise Unreadable("no process and no core file: attach to one, or run "
                         "one")
    found = addresses_of_gp()
    if not found:
        raise Unreadable("the process has not loaded liburcu-membarrier, or "
                         "it has no symbols at all")
    try:
        return GracePeriods(memory, found[0])
    except gdb.MemoryError:
        raise Unreadable("urcu_membarrier_gp cannot be read: the process has "
                         "not begun, or the core file is without it")


def is_live():
    """On this machine, so that its clock is ours."""
    connection = getattr(gdb.selected_inferior(), "connection", None)
    if connection is not None:
        return connection.type == "native"
    text = gdb.execute("info target", to_string=True)
    return "core dump file" not in text and "emote" not in text


def since(gp):
    if not gp.waits_since_ms:
        return ""
    if not is_live():
        return ", since %d ms of its clock" % gp.waits_since_ms
    ms = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000
    ms = (ms - gp.waits_since_ms) & gp.memory.max
    return ", since %d.%03d s" % (ms // 1000, ms % 1000)


def number_of(n, what):
    return "%d %s%s" % (n, what, "" if n == 1 else "s")


def symbol(address):
    """As `info symbol' has it, and the line if that is known."""
    text = gdb.execute("info symbol %#x" % address, to_string=True).strip()
    text = "%#x" % address if text.startswith("No symbol") else text
    line = gdb.find_pc_line(address)
    if line.symtab:
        text += ", %s:%d" % (line.symtab.filename, line.line)
    return text


def state(reader, gp):
    if reader.counter == OFFLINE:
        return "offline"
    if reader.counter == ENTERING:
        return "coming online"
    if reader.broken:
        return "broken (%#x): more unlocks than locks" % reader.counter
    if not reader.depth:
        return "quiescent"
    age = gp.age(reader.number)
    return "in a section of depth %d, %s" % (
        reader.depth, "of unknown age" if age is None
        else number_of(age, "grace period") + " old")


def thread_of(reader):
    for thread in gdb.selected_inferior().threads():
        if reader.tid in thread.ptid[1:]:
            return thread
    return None


def describe(reader, gp):
    thread = thread_of(reader)
    name = thread.name if thread and thread.is_valid() else None
    text = "  tid %d, %s%s: %s" % (
        reader.tid,
        "thread %s" % thread.num if thread else "which gdb does not know",
        ' "%s"' % name if name else "", state(reader, gp))
    if reader.depth and reader.entered:
        text += ", began at " + symbol(reader.entered)
    if reader.holds(gp):
        text += "; the grace period waits for it"
    if reader.waiting & WAITING_UPDATER:
        text += "; the updater sleeps on it"
    if reader.asked:
        text += "; asked for a barrier"
    return text


class RcuReaders(gdb.Command):
    """List the readers of liburcu-membarrier.

rcu-readers [all]

Those that are in a section, or that the newest grace period waits for; with
"all" the others that are registered, too. Each by the kernel's number of the
thread (tid) and gdb's, with its name where gdb knows it, and
  - its state: in a section, quiescent, or offline;
  - the section's depth, and its age in grace periods: how many have begun since;
  - where the section began, in programs that are built with DEBUG_RCU.
A grace period waits for sections that are older than itself; the first line
tells since when: in a live process how long, in a core file the time of the
machine's CLOCK_MONOTONIC.
"""

    def __init__(self):
        super().__init__("rcu-readers", gdb.COMMAND_STATUS)

    def complete(self, text, word):
        return ["all"] if "all".startswith(word) else []

    def invoke(self, argument, from_tty):
        if argument not in ("", "all"):
            raise gdb.GdbError("rcu-readers: no such argument: %s (it takes "
                               "\"all\", or none)" % argument)
        try:
            self.tell(argument == "all")
        except Unreadable as why:
            raise gdb.GdbError("rcu-readers: %s" % why)
        except gdb.MemoryError as why:
            raise gdb.GdbError("rcu-readers: the records cannot be read, or "
                               "have a layout that this script does not know "
                               "(%s)" % why)

    def tell(self, everybody):
        gp = find_gp(Memory())
        readers = list(gp.readers())
        holding = sum(1 for r in readers if r.holds(gp))
        print("grace period %d%s" % (
            gp.number - SEQ_FIRST,
            ", which waits for %s%s" % (number_of(holding, "thread"), since(gp))
            if holding else ""))
        shown = [r for r in readers if everybody or r.depth or r.broken]
        for reader in sorted(shown, key=lambda r: (not r.holds(gp), r.tid)):
            print(describe(reader, gp))
        if not readers:
            print("no thread is registered")
        elif len(shown) < len(readers):
            more = len(readers) - len(shown)
            print("%s%s; \"rcu-readers all\" lists %s" % (
                number_of(more, "thread" if not shown else "more thread"),
                " is registered" if more == 1 else " are registered",
                "it" if more == 1 else "them"))


RcuReaders()
