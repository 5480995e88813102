// SPDX-License-Identifier: Apache-2.0
/* two_copies FIRST SECOND DIRECTORY: two copies of the library in one process, in every way in which they can be loaded, with engines
 * of both at work at the same time. The program exports the functions of another Boost, which end it when they are called. */
#include "loaded.h"

#include <sys/wait.h>
#include <unistd.h>

extern const int functions_of_another_boost;
extern const char *const one_of_another_boost;
void called_by_mistake(void);

static void both(char **argv, int way, int first_flags, int second_flags) {
    const struct loaded first = load(argv[1], RTLD_NOW | first_flags), second = load(argv[2], RTLD_NOW | second_flags);
    sbk_queue *queues[2] = {NULL, NULL};
    sbk_engine *engines[2];
    char stores[2][4096];
    /* Two libraries, not one twice. */
    CHECK(first.sbk_queue_new != second.sbk_queue_new);
    CHECK(first.sbk_queue_new(&queues[0]) == SBK_OK);
    CHECK(second.sbk_queue_new(&queues[1]) == SBK_OK);
    CHECK(snprintf(stores[0], sizeof stores[0], "%s/first-%d.db", argv[3], way) < (int)sizeof stores[0]);
    CHECK(snprintf(stores[1], sizeof stores[1], "%s/second-%d.db", argv[3], way) < (int)sizeof stores[1]);
    engines[0] = opened(&first, queues[0], stores[0]);
    engines[1] = opened(&second, queues[1], stores[1]);
    use(&first, queues[0], engines[0], "first");
    use(&second, queues[1], engines[1], "second");
    first.sbk_engine_free(engines[0]);
    use(&second, queues[1], engines[1], "second");
    second.sbk_engine_free(engines[1]);
    first.sbk_queue_free(queues[0]);
    second.sbk_queue_free(queues[1]);
    CHECK(dlclose(second.library) == 0);
    CHECK(dlclose(first.library) == 0);
}

int main(int argc, char **argv) {
    static const int ways[4][2] = {
        {RTLD_LOCAL, RTLD_LOCAL}, {RTLD_GLOBAL, RTLD_LOCAL}, {RTLD_LOCAL, RTLD_GLOBAL}, {RTLD_GLOBAL, RTLD_GLOBAL}};
    void (*const mistake)(void) = called_by_mistake;
    const void *exported = NULL;
    int way;
    CHECK(argc == 4);
    CHECK(functions_of_another_boost > 1000);
    exported = dlsym(RTLD_DEFAULT, one_of_another_boost);
    CHECK(memcmp(&exported, &mistake, sizeof exported) == 0);
    for (way = 0; way < 4; ++way) { /* a process each: what was loaded stays */
        int status = 0;
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            both(argv, way, ways[way][0], ways[way][1]);
            return 0;
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    return 0;
}
