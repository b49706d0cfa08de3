// Every sync that a thread makes, whoever makes it: the libraries too.

#ifndef SYNC_WATCH_H
#define SYNC_WATCH_H

/// Called before (`isDone` 0) and after each sync of the thread that asked for it.
typedef void (*sync_watcher)(void *context, int descriptor, int isDone);

/// Watches the calling thread's syncs from now on; NULL ends it.
void watch_syncs(sync_watcher watcher, void *context);

#endif
