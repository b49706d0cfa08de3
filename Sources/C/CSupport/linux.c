// What glibc keeps behind _GNU_SOURCE, where Swift cannot see it.
#define _GNU_SOURCE
#include "CSupport.h"
#include <fcntl.h>
#include <string.h>

const char *csupport_errno_name(int code) { return strerrorname_np(code); }

int csupport_fallocate(int descriptor, int64_t size) { return fallocate(descriptor, 0, 0, size); }
