/*
 * Preloaded into the User-Mode Linux kernel, which keeps 2696 octets of
 * extended processor state for each of its processes. A host processor with
 * AMX has some 11000, and its kernel refuses (EFAULT) to set any less than all
 * (xstateregs_set in arch/x86/kernel/fpu/regset.c): the guest's first process
 * would die. Here the call is made with all of it; what lies above, the tiles of
 * AMX, is always unused, as a program of the guest cannot ask for them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <linux/ptrace.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

enum {
	UML_SIZE = 2696,
	UML_HOLDS = 0x2ff, /* the components x87 to PKRU, all below offset 2696 */
	XSTATE_BV = 512,   /* offset of the bitmap of components in use */
};

/* Not on the stack, which is a small one of the guest's kernel; that kernel
 * has one processor and is not preempted. */
static uint8_t all[65536];

long ptrace(int request, int pid, void *addr, void *data)
{
	static long (*next)(int, ...);
	static size_t size; /* of the host's state, known after the first read */
	struct iovec *uml = data, host = { all, sizeof all };
	uint64_t used;
	long ret;

	if (!next)
		next = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
	if ((request != PTRACE_GETREGSET && request != PTRACE_SETREGSET) ||
	    (long)addr != NT_X86_XSTATE || uml->iov_len != UML_SIZE)
		return next(request, pid, addr, data);
	if (request == PTRACE_GETREGSET) {
		ret = next(request, pid, addr, &host);
		if (ret == 0) {
			size = host.iov_len;
			memcpy(uml->iov_base, all, UML_SIZE);
		}
		return ret;
	}
	if (size <= UML_SIZE)
		return next(request, pid, addr, data);
	memcpy(all, uml->iov_base, UML_SIZE);
	memcpy(&used, all + XSTATE_BV, sizeof used);
	used &= UML_HOLDS;
	memcpy(all + XSTATE_BV, &used, sizeof used);
	host.iov_len = size;
	return next(request, pid, addr, &host);
}
