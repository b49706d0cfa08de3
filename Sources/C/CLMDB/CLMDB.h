#pragma once
#include <lmdb.h>

/* Linux: begins to write what is dirty of an open file. glibc declares it for _GNU_SOURCE only. */
int sync_file_range(int fd, long offset, long count, unsigned int flags);
enum { CLMDB_WAIT_BEFORE = 1, CLMDB_WRITE = 2 };

