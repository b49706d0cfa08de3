#pragma once
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `length` bytes, going on from `crc` (0 at the start).
uint32_t csupport_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The symbolic name of an errno value, such as "ENOSPC"; NULL when there is none. Static memory.
const char *csupport_errno_name(int code);

/// fallocate(2) of the first `size` bytes: space is reserved and the file made that long at least.
/// -1 and errno on failure.
int csupport_fallocate(int descriptor, int64_t size);

/// mremap(2) of anonymous pages to `wanted` bytes, wherever there is room; MAP_FAILED on failure.
void *csupport_remap(void *pages, size_t size, size_t wanted);

/// mallopt(3): blocks from `mapped` bytes on are pages of their own, and free memory beyond
/// `kept` bytes at an end of a heap goes back to the system. Both stay as they are set.
void csupport_bound_malloc(int mapped, int kept);

/// The calling thread gets a processor when nobody else wants it, and little else: the nicest there
/// is, and with the longest slice, whom therefore every thread that wakes takes the processor
/// from (sched_setattr(2), Linux 6.12; before that nicer only).
void csupport_yield_to_others(void);
