/* SPDX-License-Identifier: MIT */

/*
 * Two copies of the library in one process: the archive in a plugin, say,
 * beside the shared library. Each has records and a registry of its own, and an
 * updater of one waits for no reader of the other. All we can do is say so.
 *
 * How copies find each other is an ABI between versions. A module (program or
 * shared object) that contains a copy has an ELF note in a loaded segment,
 * 4-aligned, in the machine's byte order:
 *
 *      namesz  19              name    "liburcu-membarrier", 20 bytes of it
 *      descsz  4 or more       desc    int32_t: from its own first byte to a
 *      type    1                       struct umbi_copy, in the same module
 *
 * Later versions may append to the descriptor and to the struct, and change
 * nothing of what is there; what cannot be said so gets another type.
 *
 * Every copy's constructor looks through the loaded modules for the notes of
 * others, and names the first that is active: however many copies there are,
 * each but one costs a line. One that is unloaded is in the loader's list no
 * more, and when loaded again it is as it was built: inactive. Each namespace of
 * dlmopen() has a list, and copies in different ones do not see each other.
 *
 * A copy is not active while it is shadowed: its names are exported, and the
 * loader has given them to a copy that comes first, for its own module, too. So
 * nobody calls it. To see that, take the addresses of exported names, as the
 * module's other code has them, and compare with hidden aliases of our own:
 *
 *   urcu_membarrier_reader is elsewhere only if somebody else defines it, as
 *      thread-local data has neither copy relocations nor PLT entries. Of the
 *      only copy, urcu_membarrier_gp is elsewhere in most programs (they copy
 *      it), and a function is in those that take its address without a GOT.
 *   a function must be elsewhere as well: with -Bsymbolic-functions, which some
 *      distributions link everything with, the functions are ours while the
 *      data is given away. One record for two registries is no better than two.
 *
 * With -Bsymbolic or RTLD_DEEPBIND both are ours: active. The function is one
 * that brings all of the engine along from the archive, so that copies are
 * whole, and one does not shadow half of another. We do not see who asks dlsym()
 * for the names of a shadowed copy.
 */

#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <string.h>

#include "sys/sys.h"
#include "thread/thread.h"

#define OWNER	"liburcu-membarrier"
#define TYPE	1

struct umbi_copy {
	uint32_t version;	/* of this struct, 1 */
	uint32_t active;
};

struct note {
	ElfW(Nhdr) header;
	char owner[(sizeof OWNER + 3) & ~3UL];
	int32_t to_copy;
};

/* The assembler's, so neither static nor unused. */
extern struct umbi_copy umbi_copy __attribute__((visibility("hidden")));
struct umbi_copy umbi_copy __attribute__((used)) = { .version = 1 };

_Static_assert(sizeof OWNER == 19 && TYPE == 1 && sizeof(struct note) == 36
	       && sizeof umbi_copy == 8, "frozen ABI");

/* %note is @note where @ begins a comment. */
__asm__ (
"	.pushsection .note.liburcu-membarrier,\"a\",%note\n"
"	.balign 4\n"
"	.4byte 19, 4, 1\n"
"	.asciz \"liburcu-membarrier\"\n"
"	.balign 4\n"
"	.4byte umbi_copy - .\n"
"	.popsection\n");

struct look {
	const char *here;	/* our module's name */
	const char *there;	/* that of another active copy */
};

/* Two declared names are two addresses, compilers think. Not so here. */
static uintptr_t runtime(uintptr_t address)
{
	__asm__ ("" : "+r" (address));
	return address;
}

static int shadowed(void)
{
	return runtime((uintptr_t) &urcu_membarrier_reader)
			!= runtime((uintptr_t) &umbi_own_reader)
		&& runtime((uintptr_t) urcu_membarrier_read_lock_slow)
			!= runtime((uintptr_t) umbi_own_read_lock_slow);
}

/* Has the module loaded these bytes, so that this access is allowed? */
static int has(const struct dl_phdr_info *module, uintptr_t start,
	       size_t bytes, ElfW(Word) access)
{
	for (int i = 0; i < module->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
		uintptr_t offset = start - module->dlpi_addr - segment->p_vaddr;

		if (segment->p_type == PT_LOAD && (segment->p_flags & access)
		    && offset <= segment->p_memsz
		    && bytes <= segment->p_memsz - offset)
			return 1;
	}
	return 0;
}

static void look_at_copy(const struct dl_phdr_info *module,
			 const struct umbi_copy *copy, struct look *look)
{
	const char *name = *module->dlpi_name ? module->dlpi_name : "the program";

	if (copy == &umbi_copy)
		look->here = name;
	/* Relaxed: whoever set it, did so before the loader's lock was ours. */
	else if (!look->there
		 && has(module, (uintptr_t) copy, sizeof *copy, PF_W)
		 && __atomic_load_n(&copy->active, __ATOMIC_RELAXED))
		look->there = name;
}

/*
 * Every fourth byte is tried, instead of stepping by the notes' sizes: linkers
 * disagree about the padding where notes of two alignments share a segment.
 */
static void look_at_notes(const struct dl_phdr_info *module, uintptr_t start,
			  size_t bytes, struct look *look)
{
	for (; bytes >= sizeof(struct note); start += 4, bytes -= 4) {
		const struct note *note = (const struct note *) start;
		uintptr_t desc = (uintptr_t) &note->to_copy;

		if (note->header.n_namesz == sizeof OWNER
		    && note->header.n_descsz >= sizeof note->to_copy
		    && note->header.n_type == TYPE
		    && !memcmp(note->owner, OWNER, sizeof OWNER))
			look_at_copy(module, (const struct umbi_copy *)
				     (desc + (uintptr_t) note->to_copy), look);
	}
}

/* Under the loader's lock, so that the names are good until we return. */
static int look_at_module(struct dl_phdr_info *module, size_t size, void *arg)
{
	struct look *look = arg;

	(void) size;
	for (int i = 0; i < module->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &module->dlpi_phdr[i];
		uintptr_t start = module->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_NOTE && !(start & 3)
		    && has(module, start, segment->p_filesz, PF_R))
			look_at_notes(module, start, segment->p_filesz, look);
	}
	if (!look->here || !look->there)
		return 0;
	umbi_say("two copies in one process, in ", look->here, " and in ",
		 look->there, ": updaters of one do not wait for readers of the "
		 "other; link both with the shared library", NULL);
	return 1;
}

void umbi_copies_look(void)
{
	struct look look = { NULL, NULL };

	if (shadowed())
		return;
	/* Before the look: of two at a time, at least one sees the other. */
	__atomic_store_n(&umbi_copy.active, 1, __ATOMIC_RELAXED);
	dl_iterate_phdr(look_at_module, &look);
}
