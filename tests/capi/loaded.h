// SPDX-License-Identifier: Apache-2.0
/* The library as dlopen gives it, and what a program without a test framework checks with. */
#ifndef LOADED_H
#define LOADED_H

#include <sandboxkit.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                                         \
    do {                                                                                                                         \
        if (!(condition)) {                                                                                                      \
            fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                             \
        }                                                                                                                        \
    } while (0)

/* The functions that these tests need, by their names. */
#define LOADED_FUNCTIONS(each)                                                                                                   \
    each(sbk_version) each(sbk_queue_new) each(sbk_queue_next) each(sbk_queue_free) each(sbk_event_free) each(sbk_event_status)  \
        each(sbk_event_text) each(sbk_event_take_engine) each(sbk_engine_open) each(sbk_engine_close) each(sbk_engine_free)      \
            each(sbk_client_new) each(sbk_client_add_every_scope) each(sbk_client_free) each(sbk_profile_create)                 \
                each(sbk_profile_list)

struct loaded {
    void *library;
#define POINTER(name) __typeof__(&(name)) name;
    LOADED_FUNCTIONS(POINTER)
#undef POINTER
};

static struct loaded load(const char *path, int flags) {
    struct loaded made;
    made.library = dlopen(path, flags);
    if (!made.library) fprintf(stderr, "%s\n", dlerror());
    CHECK(made.library);
#define LOOK_UP(name)                                                                                                            \
    *(void **)&made.name = dlsym(made.library, #name);                                                                           \
    CHECK(made.name);
    LOADED_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
    return made;
}

static sbk_event *completed(const struct loaded *with, sbk_queue *queue) {
    sbk_event *event = NULL;
    CHECK(with->sbk_queue_next(&event, queue, -1) == SBK_OK);
    if (with->sbk_event_status(event) != SBK_OK) fprintf(stderr, "%s\n", with->sbk_event_text(event, "/message", SBK_NUL, NULL));
    CHECK(with->sbk_event_status(event) == SBK_OK);
    return event;
}

static sbk_engine *opened(const struct loaded *with, sbk_queue *queue, const char *store) {
    sbk_engine_options options;
    sbk_engine *engine = NULL;
    sbk_event *event;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.store = store;
    options.store_size = SBK_NUL;
    CHECK(with->sbk_engine_open(NULL, queue, 1, &options) == SBK_OK);
    event = completed(with, queue);
    CHECK(with->sbk_event_take_engine(&engine, event) == SBK_OK);
    with->sbk_event_free(event);
    return engine;
}

/* A profile is made and read again. */
static void use(const struct loaded *with, sbk_queue *queue, sbk_engine *engine, const char *name) {
    sbk_client *client = NULL;
    sbk_event *event;
    char document[100];
    CHECK(with->sbk_client_new(&client, engine, queue, "ada", SBK_NUL) == SBK_OK);
    CHECK(with->sbk_client_add_every_scope(client) == SBK_OK);
    CHECK(snprintf(document, sizeof document, "{\"name\": \"%s\"}", name) < (int)sizeof document);
    CHECK(with->sbk_profile_create(NULL, client, 2, document, SBK_NUL, NULL, 0) == SBK_OK);
    with->sbk_event_free(completed(with, queue));
    CHECK(with->sbk_profile_list(NULL, client, 3) == SBK_OK);
    event = completed(with, queue);
    CHECK(strcmp(with->sbk_event_text(event, "/0/name", SBK_NUL, NULL), name) == 0);
    with->sbk_event_free(event);
    with->sbk_client_free(client);
}

#endif
