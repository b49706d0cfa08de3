// What glibc keeps behind _GNU_SOURCE, where Swift cannot see it.
#define _GNU_SOURCE
#include "CSupport.h"
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>

_Thread_local const void *csupport_executor_of_thread;

const char *csupport_errno_name(int code) { return strerrorname_np(code); }

int csupport_fallocate(int descriptor, int64_t size) { return fallocate(descriptor, 0, 0, size); }

void *csupport_remap(void *pages, size_t size, size_t wanted) {
  return mremap(pages, size, wanted, MREMAP_MAYMOVE);
}

void csupport_bound_malloc(int mapped, int kept) {
  mallopt(M_MMAP_THRESHOLD, mapped);
  mallopt(M_TRIM_THRESHOLD, kept);
}
