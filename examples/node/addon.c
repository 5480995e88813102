// SPDX-License-Identifier: Apache-2.0
// An add-on of Node.js in C, by N-API: every operation is a promise. There is no thread: the queue's descriptor is watched by
// Node's own event loop, and an operation's tag is its promise. Compiled against node_api.h and uv.h.
#include <node_api.h>
#include <sandboxkit.h>
#include <uv.h>

#include <stdlib.h>
#include <string.h>

static napi_env environment;
static napi_async_context context;
static napi_async_cleanup_hook_handle cleanup;
static uv_poll_t watcher;
static sbk_queue *queue;
static sbk_engine *engine;
static sbk_client *client;
static int pending; // promises that are not settled: as long as there is one, the event loop goes on

static napi_value string(const char *text, size_t size) {
    napi_value value;
    if (text)
        napi_create_string_utf8(environment, text, size, &value);
    else
        napi_get_null(environment, &value);
    return value;
}

// {json, bytes} for a promise that is kept; an Error with its remedy for one that is not.
static void settle(sbk_event *event) {
    napi_deferred promise = (napi_deferred)(uintptr_t)sbk_event_tag(event);
    napi_value result, message, bytes;
    size_t size;
    if (sbk_event_status(event) == SBK_OK) {
        const char *json = sbk_event_json(event, &size);
        napi_create_object(environment, &result);
        napi_set_named_property(environment, result, "json", string(json, size));
        const char *beside = sbk_event_bytes(event, &size);
        napi_create_buffer_copy(environment, size, beside, NULL, &bytes);
        napi_set_named_property(environment, result, "bytes", bytes);
        napi_resolve_deferred(environment, promise, result);
    } else {
        const char *text = sbk_event_text(event, "/message", SBK_NUL, &size);
        message = text ? string(text, size) : string(sbk_status_name(sbk_event_status(event)), NAPI_AUTO_LENGTH);
        napi_create_error(environment, NULL, message, &result);
        text = sbk_event_text(event, "/remedy", SBK_NUL, &size);
        napi_set_named_property(environment, result, "remedy", string(text, size));
        napi_reject_deferred(environment, promise, result);
    }
    if (--pending == 0) uv_unref((uv_handle_t *)&watcher);
}

static void readable(uv_poll_t *handle, int status, int events) {
    sbk_event *event;
    sbk_engine *opened;
    (void)handle, (void)status, (void)events;
    while (sbk_queue_next(&event, queue, 0) == SBK_OK) {
        napi_handle_scope handles;
        napi_callback_scope callback; // when it is closed, what awaits the promise runs
        napi_open_handle_scope(environment, &handles);
        napi_open_callback_scope(environment, NULL, context, &callback);
        if (sbk_event_get_kind(event) == SBK_EVENT_COMPLETION) {
            if (sbk_event_take_engine(&opened, event) == SBK_OK) engine = opened;
            settle(event);
        }
        sbk_event_free(event);
        napi_close_callback_scope(environment, callback);
        napi_close_handle_scope(environment, handles);
    }
}

static napi_deferred begin(napi_value *promise) {
    napi_deferred deferred = NULL;
    napi_create_promise(environment, &deferred, promise);
    if (pending++ == 0) uv_ref((uv_handle_t *)&watcher);
    return deferred;
}

// A submission that was refused has no completion: the promise is settled here.
static void submitted(napi_deferred promise, sbk_status status) {
    napi_value error;
    if (status == SBK_OK) return;
    napi_create_error(environment, NULL, string(sbk_status_name(status), NAPI_AUTO_LENGTH), &error);
    napi_reject_deferred(environment, promise, error);
    if (--pending == 0) uv_unref((uv_handle_t *)&watcher);
}

static uint64_t tag(napi_deferred promise) { return (uint64_t)(uintptr_t)promise; }

// A string of JavaScript, to be freed; NULL when it is none.
static char *text(napi_value value, size_t *size) {
    char *copy;
    *size = 0;
    if (napi_get_value_string_utf8(environment, value, NULL, 0, size) != napi_ok) return NULL;
    if ((copy = malloc(*size + 1))) napi_get_value_string_utf8(environment, value, copy, *size + 1, size);
    return copy;
}

static napi_value open_engine(napi_env env, napi_callback_info info) {
    napi_value arguments[1], promise;
    size_t count = 1;
    sbk_engine_options options;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    char *store = text(arguments[0], &options.store_size);
    options.store = store;
    napi_deferred deferred = begin(&promise);
    submitted(deferred, sbk_engine_open(NULL, queue, tag(deferred), &options));
    free(store);
    return promise;
}

static napi_value close_engine(napi_env env, napi_callback_info info) {
    napi_value promise;
    (void)env, (void)info;
    napi_deferred deferred = begin(&promise);
    submitted(deferred, sbk_engine_close(NULL, queue, tag(deferred), engine));
    return promise;
}

// By one who may do everything. Without an engine there is no client, and the submission is refused.
static sbk_client *me(void) {
    if (!client && engine && sbk_client_new(&client, engine, queue, "me", SBK_NUL) == SBK_OK) sbk_client_add_every_scope(client);
    return client;
}

static sbk_status create_profile(sbk_operation **operation, sbk_client *by, uint64_t tag, const char *document, size_t size) {
    return sbk_profile_create(operation, by, tag, document, size, NULL, 0);
}

static sbk_status start_session(sbk_operation **operation, sbk_client *by, uint64_t tag, const char *profile, size_t size) {
    sbk_session_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.profile = profile;
    options.profile_size = size;
    return sbk_session_start(operation, by, tag, &options);
}

// Functions that take one string: all alike in C, and so here.
static struct function {
    const char *name;
    sbk_status (*submit)(sbk_operation **, sbk_client *, uint64_t, const char *, size_t);
} functions[] = {{"createProfile", create_profile},
                 {"publish", sbk_version_publish},
                 {"waitForJob", sbk_job_wait},
                 {"startSession", start_session},
                 {"removeSession", sbk_session_remove}};

static napi_value of_one_string(napi_env env, napi_callback_info info) {
    napi_value arguments[1], promise;
    size_t count = 1, size;
    void *function;
    napi_get_cb_info(env, info, &count, arguments, NULL, &function);
    char *argument = text(arguments[0], &size);
    napi_deferred deferred = begin(&promise);
    submitted(deferred, ((struct function *)function)->submit(NULL, me(), tag(deferred), argument, size));
    free(argument);
    return promise;
}

static napi_value exec(napi_env env, napi_callback_info info) { // of a session's id, and the arguments
    napi_value arguments[64], promise;
    size_t count = 64, size;
    sbk_command *command;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    sbk_status status = sbk_command_new(&command);
    for (size_t i = 1; i < count && i < 64 && status == SBK_OK; ++i) {
        char *argument = text(arguments[i], &size);
        status = sbk_command_add_argument(command, argument, size);
        free(argument);
    }
    char *session = text(arguments[0], &size);
    napi_deferred deferred = begin(&promise);
    submitted(deferred, status != SBK_OK ? status : sbk_session_exec(NULL, me(), tag(deferred), session, size, command, 0));
    free(session);
    sbk_command_free(command);
    return promise;
}

static void watcher_closed(uv_handle_t *handle) {
    (void)handle;
    sbk_client_free(client);
    sbk_engine_free(engine);
    sbk_queue_free(queue);
    napi_remove_async_cleanup_hook(cleanup);
}

static void clean_up(napi_async_cleanup_hook_handle handle, void *argument) {
    (void)argument;
    cleanup = handle;
    uv_close((uv_handle_t *)&watcher, watcher_closed);
}

static void add(napi_value exports, const char *name, napi_callback callback, void *data) {
    napi_value function;
    napi_create_function(environment, name, NAPI_AUTO_LENGTH, callback, data, &function);
    napi_set_named_property(environment, exports, name, function);
}

NAPI_MODULE_INIT() {
    uv_loop_t *loop;
    environment = env;
    napi_async_init(env, NULL, string("sandboxkit", NAPI_AUTO_LENGTH), &context);
    napi_get_uv_event_loop(env, &loop);
    if (sbk_queue_new(&queue) != SBK_OK || uv_poll_init(loop, &watcher, sbk_queue_descriptor(queue)) != 0) {
        napi_throw_error(env, NULL, "there is no queue");
        return NULL;
    }
    uv_poll_start(&watcher, UV_READABLE, readable);
    uv_unref((uv_handle_t *)&watcher);
    napi_add_async_cleanup_hook(env, clean_up, NULL, NULL);
    add(exports, "open", open_engine, NULL);
    add(exports, "close", close_engine, NULL);
    add(exports, "exec", exec, NULL);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; ++i) add(exports, functions[i].name, of_one_string, &functions[i]);
    return exports;
}
