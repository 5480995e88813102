// SPDX-License-Identifier: Apache-2.0
/* load_often LIBRARY DIRECTORY: loads and unloads the library a thousand times, with an engine in some of the rounds, and compares
 * what the process has of the kernel in the middle and at the end. */
#include "loaded.h"

#include <dirent.h>
#include <unistd.h>

struct held {
    long descriptors, threads, mappings, resident_kib;
};

static long entries(const char *path) {
    long count = 0;
    DIR *directory = opendir(path);
    CHECK(directory);
    while (readdir(directory)) ++count;
    closedir(directory);
    return count;
}

static struct held look(void) {
    struct held now = {entries("/proc/self/fd"), entries("/proc/self/task"), 0, 0};
    long pages = 0;
    char line[4096];
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file);
    while (fgets(line, sizeof line, file)) ++now.mappings;
    fclose(file);
    file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    now.resident_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    printf("%ld descriptors, %ld threads, %ld mappings, %ld KiB\n", now.descriptors, now.threads, now.mappings, now.resident_kib);
    return now;
}

static void one_round(const char *path, const char *store) {
    const struct loaded with = load(path, RTLD_NOW | RTLD_LOCAL);
    sbk_queue *queue = NULL;
    CHECK(strcmp(with.sbk_version(), "0.1.0") == 0);
    CHECK(with.sbk_queue_new(&queue) == SBK_OK);
    if (store) {
        sbk_engine *engine = opened(&with, queue, store);
        use(&with, queue, engine, "loaded");
        CHECK(with.sbk_engine_close(NULL, queue, 4, engine) == SBK_OK);
        with.sbk_event_free(completed(&with, queue));
        with.sbk_engine_free(engine);
    }
    with.sbk_queue_free(queue);
    CHECK(dlclose(with.library) == 0);
}

int main(int argc, char **argv) {
    char store[4096];
    struct held before = {0, 0, 0, 0}, after;
    int i;
    CHECK(argc == 3);
    for (i = 1; i <= 1000; ++i) {
        /* One of its own each time: one that grows takes more memory. */
        CHECK(snprintf(store, sizeof store, "%s/%d.db", argv[2], i) < (int)sizeof store);
        one_round(argv[1], i % 20 == 0 ? store : NULL);
        if (i == 500) before = look();
    }
    after = look();
    CHECK(after.descriptors == before.descriptors);
    CHECK(after.threads == before.threads);
    /* The arenas of malloc come and go with the threads that first met them: some, not one a round. */
    CHECK(after.mappings <= before.mappings + 8);
    /* It goes up and down by two or three MiB: a leak that is to be seen is of 16 KiB a round, or 320 KiB an engine. */
    CHECK(after.resident_kib <= before.resident_kib + 8192);
    return 0;
}
