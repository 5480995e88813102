// SPDX-License-Identifier: Apache-2.0
// One thread, two sessions, and a descriptor of the program's own in the same poll(): a timer, which writes a line to the
// standard input of a process in each session at every tick, while their output streams out. Nothing waits but poll().
// An operation's tag says which step of which session it was; its completion submits what comes next. When nothing is
// submitted any more, all is done. Makes sandboxes.db in the working directory.
#define _POSIX_C_SOURCE 200809L
#include <sandboxkit.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum step { OPEN, CREATE, PUBLISH, BUILD, START, RUN, FOLLOW, WRITE, CLOSE_INPUT, REMOVE, CLOSE };

struct session {
    const char *name;
    char id[64]; // empty: there is none, or its removal was submitted
    sbk_process *process;
};

static const char document[] = "{\"name\": \"echo\"}";
static const char script[] = "while read -r line; do echo \"$NAME heard $line\"; done";

static struct session sessions[2] = {{"one", "", NULL}, {"two", "", NULL}};
static sbk_queue *queue;
static sbk_engine *engine;
static sbk_client *client;
static char profile[64];
static int timer = -1, following, lines, pending, failed;

static uint64_t tag(enum step step, size_t index) { return (uint64_t)index << 8 | step; }

static void submit(sbk_status status) {
    if (status == SBK_OK) {
        ++pending;
    } else {
        fprintf(stderr, "not submitted: %s\n", sbk_status_name(status));
        failed = 1;
    }
}

static void remove_session(size_t index) { // ends its processes, too
    struct session *session = &sessions[index];
    if (session->id[0]) submit(sbk_session_remove(NULL, client, tag(REMOVE, index), session->id, SBK_NUL));
    session->id[0] = '\0';
}

static void start_session(size_t index) {
    sbk_session_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.profile = profile;
    options.profile_size = SBK_NUL;
    submit(sbk_session_start(NULL, client, tag(START, index), &options));
}

static void start_process(size_t index) {
    const struct session *session = &sessions[index];
    sbk_command *command;
    sbk_status status = sbk_command_new(&command);
    if (status == SBK_OK) status = sbk_command_add_argument(command, "sh", SBK_NUL);
    if (status == SBK_OK) status = sbk_command_add_argument(command, "-c", SBK_NUL);
    if (status == SBK_OK) status = sbk_command_add_argument(command, script, SBK_NUL);
    if (status == SBK_OK) status = sbk_command_set_environment(command, "NAME", SBK_NUL, session->name, SBK_NUL);
    if (status == SBK_OK) status = sbk_command_set_standard_input(command, 1);
    if (status == SBK_OK) status = sbk_process_start(NULL, client, tag(RUN, index), session->id, SBK_NUL, command);
    sbk_command_free(command);
    submit(status);
}

static void start_timer(void) {
    const struct itimerspec period = {{0, 50 * 1000 * 1000}, {0, 50 * 1000 * 1000}};
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer >= 0 && timerfd_settime(timer, 0, &period, NULL) == 0) return;
    perror("timerfd");
    failed = 1;
}

static void stop_timer(void) {
    if (timer >= 0) close(timer);
    timer = -1; // which poll() passes over
}

static void tick(void) { // three lines for each process, then the end of its input
    static int ticks;
    uint64_t expirations;
    char line[32];
    if (read(timer, &expirations, sizeof expirations) < 0) return;
    const int size = snprintf(line, sizeof line, "tick %d\n", ++ticks);
    for (size_t i = 0; i < 2; ++i) {
        if (ticks <= 3) // without waiting for the one before: they arrive in this order
            submit(sbk_process_write(NULL, sessions[i].process, tag(WRITE, i), line, (size_t)size));
        else
            submit(sbk_process_close_input(NULL, sessions[i].process, tag(CLOSE_INPUT, i)));
    }
    if (ticks > 3) stop_timer();
}

static void next_step(enum step step, size_t index, sbk_event *event) {
    struct session *session = &sessions[index];
    int64_t exit_code = -1;
    switch (step) {
    case OPEN:
        if (sbk_client_new(&client, engine, queue, "me", SBK_NUL) == SBK_OK) sbk_client_add_every_scope(client);
        submit(sbk_profile_create(NULL, client, tag(CREATE, 0), document, SBK_NUL, NULL, 0));
        break;
    case CREATE:
        snprintf(profile, sizeof profile, "%s", sbk_event_text(event, "/id", SBK_NUL, NULL));
        submit(sbk_version_publish(NULL, client, tag(PUBLISH, 0), profile, SBK_NUL));
        break;
    case PUBLISH: // what is given to a function is copied: the id may be one that the event lends
        submit(sbk_job_wait(NULL, client, tag(BUILD, 0), sbk_event_text(event, "/last_job", SBK_NUL, NULL), SBK_NUL));
        break;
    case BUILD: // if it failed, the starts fail and say so
        for (size_t i = 0; i < 2; ++i) start_session(i);
        break;
    case START: start_process(index); break;
    case RUN:
        submit(sbk_process_follow(NULL, session->process, tag(FOLLOW, index), 0));
        if (++following == 2) start_timer();
        break;
    case FOLLOW: // it has ended, and all its output has come
        if (sbk_event_integer(&exit_code, event, "/exit_code", SBK_NUL) != SBK_OK || exit_code != 0) failed = 1;
        remove_session(index);
        break;
    case WRITE:
    case CLOSE_INPUT:
    case REMOVE:
    case CLOSE: break;
    }
}

static void completed(enum step step, size_t index, sbk_event *event) {
    --pending;
    if (sbk_event_status(event) != SBK_OK) {
        const char *message = sbk_event_text(event, "/message", SBK_NUL, NULL);
        const char *remedy = sbk_event_text(event, "/remedy", SBK_NUL, NULL);
        fprintf(stderr, "%s\n%s\n", message ? message : sbk_status_name(sbk_event_status(event)), remedy ? remedy : "");
        failed = 1;
    } else if (step == OPEN) {
        sbk_event_take_engine(&engine, event);
    } else if (step == START) {
        snprintf(sessions[index].id, sizeof sessions[index].id, "%s", sbk_event_text(event, "/id", SBK_NUL, NULL));
    } else if (step == RUN) {
        sbk_event_take_process(&sessions[index].process, event);
    }
    if (!failed) next_step(step, index, event);
}

static void take_events(void) {
    sbk_event *event;
    size_t size;
    while (sbk_queue_next(&event, queue, 0) == SBK_OK) {
        const uint64_t come_back = sbk_event_tag(event);
        if (sbk_event_get_kind(event) == SBK_EVENT_COMPLETION) {
            completed((enum step)(come_back & 255), (size_t)(come_back >> 8), event);
        } else if (sbk_event_get_kind(event) == SBK_EVENT_OUTPUT) {
            const char *bytes = sbk_event_bytes(event, &size); // any bytes: a chunk need not end with a line
            for (size_t i = 0; i < size; ++i) lines += bytes[i] == '\n';
            fwrite(bytes, 1, size, sbk_event_stream(event) == SBK_STANDARD_ERROR ? stderr : stdout);
        }
        sbk_event_free(event); // only now more output is read, when much is waiting
    }
}

int main(void) {
    sbk_engine_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.store = "sandboxes.db";
    options.store_size = SBK_NUL;
    if (sbk_queue_new(&queue) != SBK_OK) return 1;
    submit(sbk_engine_open(NULL, queue, tag(OPEN, 0), &options));
    for (int closing = 0; pending > 0;) {
        struct pollfd ready[2] = {{sbk_queue_descriptor(queue), POLLIN, 0}, {timer, POLLIN, 0}};
        if (poll(ready, 2, -1) < 0) failed = 1;
        if (ready[0].revents) take_events();
        if (ready[1].revents && timer >= 0) tick();
        if (failed) {
            stop_timer();
            for (size_t i = 0; i < 2; ++i) remove_session(i);
        }
        if (pending == 0 && engine && !closing) {
            closing = 1;
            submit(sbk_engine_close(NULL, queue, tag(CLOSE, 0), engine));
        }
    }
    for (size_t i = 0; i < 2; ++i) sbk_process_free(sessions[i].process);
    sbk_client_free(client);
    sbk_engine_free(engine);
    sbk_queue_free(queue);
    if (!failed && lines == 6) puts("both sessions are gone, and every line came back");
    return failed || lines != 6;
}
