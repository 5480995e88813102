// SPDX-License-Identifier: Apache-2.0
// The main job in plain C: a profile is published, a session starts from its snapshot, and a command runs in it.
// One operation at a time, each waited for: event_loop.c does many at once. Makes sandboxes.db in the working directory.
#include <sandboxkit.h>

#include <stdio.h>
#include <string.h>

static const char document[] = "{\"name\": \"hello\", \"setup_script\": \"echo building; echo hello > /root/greeting\"}";

static sbk_queue *queue;

// Waits for the completion of what was submitted, and shows the progress that is told before it.
// NULL when there is no good one, after saying why and what to do about it.
static sbk_event *finish(const char *what, sbk_status submitted) {
    sbk_event *event = NULL;
    if (submitted == SBK_OK) submitted = sbk_queue_next(&event, queue, -1);
    while (submitted == SBK_OK && sbk_event_get_kind(event) != SBK_EVENT_COMPLETION) {
        size_t size;
        const char *output = sbk_event_bytes(event, &size);
        const char *phase = sbk_event_text(event, "/phase", SBK_NUL, NULL);
        if (size == 0) fprintf(stderr, "%s: %s\n", what, phase ? phase : "");
        fwrite(output, 1, size, stderr);
        sbk_event_free(event);
        submitted = sbk_queue_next(&event, queue, -1);
    }
    if (submitted != SBK_OK) { // nothing was done, and nothing will come
        fprintf(stderr, "%s: %s\n", what, sbk_status_name(submitted));
        return NULL;
    }
    if (sbk_event_status(event) != SBK_OK) {
        const char *message = sbk_event_text(event, "/message", SBK_NUL, NULL);
        const char *remedy = sbk_event_text(event, "/remedy", SBK_NUL, NULL);
        fprintf(stderr, "%s: %s\n", what, message ? message : sbk_status_name(sbk_event_status(event)));
        if (remedy) fprintf(stderr, "%s\n", remedy);
        sbk_event_free(event);
        return NULL;
    }
    return event;
}

// Keeps a string of the event's JSON, and frees the event.
static int keep(char *text, size_t capacity, sbk_event *event, const char *pointer) {
    const char *value = event ? sbk_event_text(event, pointer, SBK_NUL, NULL) : NULL;
    const int size = snprintf(text, capacity, "%s", value ? value : "");
    sbk_event_free(event);
    return size > 0 && (size_t)size < capacity;
}

int main(void) {
    char profile[64], job[64], session[64] = "";
    sbk_engine *engine = NULL;
    sbk_client *client = NULL;
    sbk_command *command = NULL;
    sbk_event *event;
    sbk_engine_options options;
    sbk_session_options start;
    int64_t exit_code = -1;

    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.store = "sandboxes.db";
    options.store_size = SBK_NUL;
    memset(&start, 0, sizeof start);
    start.struct_size = sizeof start;
    start.profile = profile;
    start.profile_size = SBK_NUL;

    if (sbk_queue_new(&queue) != SBK_OK) return 1;
    if (!(event = finish("open", sbk_engine_open(NULL, queue, 0, &options)))) goto end;
    sbk_event_take_engine(&engine, event);
    sbk_event_free(event);
    if (sbk_client_new(&client, engine, queue, "me", SBK_NUL) != SBK_OK || sbk_client_add_every_scope(client) != SBK_OK) goto end;

    event = finish("create", sbk_profile_create(NULL, client, 0, document, SBK_NUL, NULL, 0));
    if (!keep(profile, sizeof profile, event, "/id")) goto end;
    event = finish("publish", sbk_version_publish(NULL, client, 0, profile, SBK_NUL)); // frozen, and a snapshot job queued
    if (!keep(job, sizeof job, event, "/last_job")) goto end;
    // The setup script runs, and what it made is captured. The waiting succeeds also when the job failed.
    if (!(event = finish("build", sbk_job_wait(NULL, client, 0, job, SBK_NUL)))) goto end;
    if (strcmp(sbk_event_text(event, "/state", SBK_NUL, NULL), "succeeded") != 0) {
        const char *message = sbk_event_text(event, "/error/message", SBK_NUL, NULL);
        const char *remedy = sbk_event_text(event, "/error/remedy", SBK_NUL, NULL);
        fprintf(stderr, "build: %s\n%s\n", message ? message : "cancelled", remedy ? remedy : "");
        sbk_event_free(event);
        goto end;
    }
    sbk_event_free(event);
    event = finish("start", sbk_session_start(NULL, client, 0, &start));
    if (!keep(session, sizeof session, event, "/id")) goto end;

    if (sbk_command_new(&command) != SBK_OK || sbk_command_add_argument(command, "cat", SBK_NUL) != SBK_OK ||
        sbk_command_add_argument(command, "/root/greeting", SBK_NUL) != SBK_OK)
        goto end;
    if ((event = finish("exec", sbk_session_exec(NULL, client, 0, session, SBK_NUL, command, 0)))) {
        size_t size;
        const char *output = sbk_event_bytes(event, &size);
        sbk_event_integer(&exit_code, event, "/end/exit_code", SBK_NUL);
        fwrite(output, 1, size, stdout);
        sbk_event_free(event);
    }
end:
    if (session[0] != '\0') {
        event = finish("remove", sbk_session_remove(NULL, client, 0, session, SBK_NUL));
        if (!event) exit_code = -1;
        sbk_event_free(event);
    }
    sbk_command_free(command);
    sbk_client_free(client);
    sbk_engine_free(engine); // closes it
    sbk_queue_free(queue);
    return exit_code == 0 ? 0 : 1;
}
