// The program's own definitions of the calls that sync come before libc's: for Swift code, and for
// the shared libraries it uses (LMDB). They call on libc's, and tell of it.

#define _GNU_SOURCE
#include "sync_watch.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static _Thread_local sync_watcher thread_watcher;
static _Thread_local void *thread_context;

void watch_syncs(sync_watcher watcher, void *context) {
    thread_watcher = watcher;
    thread_context = context;
}

static void tell(int descriptor, int isDone) {
    sync_watcher watcher = thread_watcher;
    if (!watcher) return;
    // What the watcher does is its own affair.
    thread_watcher = NULL;
    watcher(thread_context, descriptor, isDone);
    thread_watcher = watcher;
}

#define SYNC(name)                                               \
    int name(int descriptor) {                                   \
        static int (*next)(int);                                 \
        if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        tell(descriptor, 0);                                     \
        int result = next(descriptor);                           \
        tell(descriptor, 1);                                     \
        return result;                                           \
    }

SYNC(fsync)
SYNC(fdatasync)

// LMDB's meta page goes through a descriptor whose every write is a sync.
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next) next = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    int isSync = thread_watcher && (fcntl(descriptor, F_GETFL) & O_DSYNC);
    if (isSync) tell(descriptor, 0);
    ssize_t result = next(descriptor, bytes, count, offset);
    if (isSync) tell(descriptor, 1);
    return result;
}
