// What glibc keeps behind _GNU_SOURCE, where Swift cannot see it.
#define _GNU_SOURCE
#include "CSupport.h"
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *csupport_errno_name(int code) { return strerrorname_np(code); }

int csupport_fallocate(int descriptor, int64_t size) { return fallocate(descriptor, 0, 0, size); }

void *csupport_remap(void *pages, size_t size, size_t wanted) {
  return mremap(pages, size, wanted, MREMAP_MAYMOVE);
}

void csupport_bound_malloc(int mapped, int kept) {
  mallopt(M_MMAP_THRESHOLD, mapped);
  mallopt(M_TRIM_THRESHOLD, kept);
}

// The first version of the kernel's struct sched_attr, which all understand.
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

void csupport_yield_to_others(void) {
  struct scheduling wanted = {
      .size = sizeof wanted, .policy = SCHED_OTHER, .nice = 19, .runtime = 100 * 1000 * 1000};
  // Of this thread alone, as is setpriority on Linux. Without either all is well, only less even.
  if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) setpriority(PRIO_PROCESS, 0, wanted.nice);
}
