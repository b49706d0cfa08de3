#pragma once
#include <pthread.h>
#include <uv.h>

// A GNU extension that glibc's headers hide unless _GNU_SOURCE is set for the whole module.
extern int pthread_setname_np(pthread_t thread, const char *name);
