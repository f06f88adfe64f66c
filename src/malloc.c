/*
 * Has the system's allocator give large memory back when it is freed.
 *
 * Left alone, glibc raises the size from which it maps memory separately to that of the largest block
 * it saw freed, up to 32 MiB, and keeps what is freed below that in the arena of the thread that asked
 * for it. There are eight arenas a core, so bodies of 16 MB, read one after the other on changing
 * threads, came to hold 409 MiB of which no more than 100 were ever in use at once.
 *
 * It runs before main. What the operator chose in the environment stays.
 */

#if defined(__linux__)
#include <malloc.h>
#include <stdlib.h>
#endif

#if defined(__GLIBC__)

/* Memory of this size and more, in bytes, is mapped by itself. */
#define MAPPED (128 * 1024)
/* Arenas: each keeps something of the busiest moment of its threads. */
#define ARENAS 4

__attribute__((constructor)) static void give_large_memory_back(void)
{
    if (getenv("GLIBC_TUNABLES") != NULL)
        return;
    if (getenv("MALLOC_MMAP_THRESHOLD_") == NULL)
        mallopt(M_MMAP_THRESHOLD, MAPPED);
    if (getenv("MALLOC_ARENA_MAX") == NULL)
        mallopt(M_ARENA_MAX, ARENAS);
}

#endif
