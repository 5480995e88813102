// SPDX-License-Identifier: Apache-2.0
/*
 * sandboxkit: the environments that AI coding agents run in, as a library. This header is its C ABI.
 *
 * Conventions
 *
 *  1. Operations. A function whose first parameter is `sbk_operation **operation` submits: it copies what it is given, starts the
 *     work and returns at once. Its result comes as an event of kind SBK_EVENT_COMPLETION from the queue: exactly one for each
 *     submission that returned SBK_OK, also when it was cancelled and when the engine was closed; never one for another. Events of
 *     other kinds with the same tag come before it, none after it. `operation` may be NULL: then it cannot be cancelled.
 *  2. Tags. The 64 bits of `tag` come back in each event of the operation. The library never reads them.
 *  3. Threads. Every function may be called from any thread, several at once, also on one object; exceptions say so. What an object
 *     is set up with (sbk_client_add_..., sbk_command_...) is one: set it up before other threads see it. No function of yours is
 *     ever called by the library, on whatever thread: what it wants of you is an event on a queue too (SBK_EVENT_REQUEST).
 *  4. Ownership. Results come first. What comes back through a `**` parameter is yours, and one function sbk_<type>_free takes it
 *     back; NULL is allowed there. What a function returns is borrowed: it lives as long as the object that it was asked of. Inputs
 *     are copied and may go when the call returns. Objects hold on to what they need: free them in any order.
 *  5. Errors. A function that returns sbk_status and not SBK_OK has done nothing, and its results are NULL. Submitting fails only
 *     with SBK_MISUSE, SBK_NO_MEMORY, SBK_FORKED, or by a defect of the library SBK_INTERNAL; all else that can go wrong comes with
 *     the completion: its status is the class of the error, and its JSON is an Error (see below). There is no last error of a thread.
 *  6. Strings are a pointer and a length in bytes, of UTF-8 where nothing else is said; a length of SBK_NUL: up to the first NUL.
 *     A NULL pointer with length 0 is an absent string; where it may not be absent, SBK_MISUSE. Strings that come back have a length
 *     too, and a NUL behind it, which the length does not count.
 *  7. Structs of options begin with `size_t struct_size`, which you set to sizeof the struct, all else being zero, which means the
 *     default. A library that is older than your header refuses what it does not know instead of ignoring it; one that is newer
 *     takes your smaller struct.
 *  8. fork. In a child process every function on an object of the parent returns SBK_FORKED (or nothing), and every free does
 *     nothing. A child may make objects of its own, but not open a store that was open at the fork: SQLite cannot share an open
 *     file with a child.
 *  9. Documents and results are JSON. Members are only ever added: ignore those that you do not know. An absent value is null.
 *     Times are RFC 3339 in UTC with milliseconds; those of files in a sandbox have what its file system has. sbk_event_text and sbk_event_integer read single values without a JSON library.
 * 10. Values of enumerations are never reused. Expect ones that you do not know.
 * 11. Examples are one C program, in the order of this header. In it check(status) ends the program unless it is SBK_OK,
 *     completion(queue, tag) takes events until the good completion of that operation, and copy_text keeps a string of its JSON.
 *
 * Results, as the functions name them
 *
 * Error        {"class": "not_found", "code": "profile_not_found", "message": "...", "remedy": "...", "detail": "...",
 *               "problems": [{"pointer": "/image", "code": "...", "message": "...", "remedy": "..."}]}
 *              message: one line for people; remedy: what to do; detail: what a peer or library said, untrusted;
 *              problems: all faults of a document at once, with JSON pointers into it
 * Profile      {"id": "prf_...", "name": "", "description": "", "created": "2026-01-31T12:00:00.000Z", "created_by": "ada",
 *               "revision": 1, "has_draft": true, "draft_revision": 1, "latest_version": null, "usable_version": null,
 *               "instructions_revision": 0}
 * Kept         {"profile": Profile, "changes": [Change]}
 * Change       {"pointer": "/setup_script", "class": "snapshot_relevant", "before": "", "after": "", "reason": ""}
 *              before, after: JSON as text, "[1]"; empty: absent
 * Proposal     {"id": "edt_...", "profile": "prf_...", "section": "network", "members": {}, "changes": [Change],
 *               "base_revision": 1, "proposed_by": "ada", "channel": "api", "proposed": "...", "state": "open"}
 * Instructions {"revision": 1, "digest": "sha256:...", "bytes": 10, "principal": "ada", "at": "..."}
 * Activity     {"sequence": 1, "at": "...", "principal": "ada", "channel": "api", "action": "profile.create", "section": "",
 *               "detail": {}}
 * Overview     {"profile": Profile, "in_use": Version, "latest": Version, "record": {}, "sessions": {"<state>": 1},
 *               "active_jobs": 0, "proposals": [Proposal], "activity": [Activity], "test": "not_yet_tested"}
 * Validation   {"errors": [{"pointer": "", "code": "", "message": "", "remedy": ""}],
 *               "warnings": [{"pointer": "", "code": "", "message": "", "remedy": ""}]}
 * Version      {"profile": "prf_...", "version": 1, "digest": "sha256:...", "recipe": {}, "published": "...",
 *               "published_by": "ada", "snapshot": "ready", "image": {"provider": "local", "id": "..."},
 *               "ingredients": [{"kind": "", "name": "", "digest": "", "branch": ""}],
 *               "decision": {"reuse": false, "reason": "", "changes": [Change]}, "last_job": "job_...",
 *               "snapshots": [{"host": "local", "state": "ready", "image": {"provider": "local", "id": "..."},
 *               "ingredients": [{"kind": "", "name": "", "digest": "", "branch": ""}], "made": "...", "last_job": "job_..."}]}
 *              snapshot, state: none, pending, ready, stale or failed; image, ingredients: null without a usable one, beside
 *              "snapshots" those of the host where it was made last
 * Job          {"id": "job_...", "profile": "prf_...", "version": 1, "host": "local", "trigger": "publish",
 *               "state": "succeeded", "phase": "record", "attempt": 1, "error": null, "created": "...", "started": "...", "finished": "..."}
 *              state: queued, running, succeeded, failed or cancelled; error: an Error of a job that failed
 * Session      {"id": "ses_...", "profile": "prf_...", "version": 1, "instructions_revision": 0, "state": "running",
 *               "host": "local", "provider": "local", "sandbox_id": "...", "owner": "ada", "created": "...", "idle_deadline": null,
 *               "deadline": null, "notes": [], "error": null, "timeline": {}}
 *              state: starting, running, stopped, removing, removed or failed
 * Host         {"name": "build", "provider": "docker", "endpoint": "tcp://build.example:2376", "labels": {},
 *               "tls": {"ca": "/ca.pem", "certificate": null, "key": null}, "ssh": null, "registered": true,
 *               "is_default": false, "identity": null, "created": "...", "created_by": "ada"}
 *              ssh: {"identity": "/id", "known_hosts": "/known_hosts"}; of a managed host endpoint, created and created_by are
 *              null; identity: of what answered there first
 * HostStatus   {"state": "usable", "message": "...", "remedy": "", "facts": {}, "latency_ms": 3}
 *              state: usable, down, slow, full, replaced or refused
 * End          {"exit_code": 0, "signal": 0, "timed_out": false, "shell_code": 0}
 *              exit_code: -1 when a signal ended it; shell_code: as a shell reports it, 128 + signal
 * File         {"name": "hosts", "path": "/etc/hosts", "type": "file", "size": 20, "mode": 420, "permissions": "-rw-r--r--",
 *               "owner": "root", "group": "root", "symlink_target": "", "modified": "..."}
 *              type: file, directory, symlink or other; mode: the permission bits
 * Tree         {"entries": 1, "bytes": 10}
 * CaseResult   {"group": "lifecycle", "name": "a_life", "verdict": "passed", "message": "", "taken_ms": 12}
 *              verdict: passed, failed, not_applicable (the provider does not claim what it is about), or skipped (something that
 *              the message names is missing)
 * Check        {"name": "runtime", "status": "ok", "message": "...", "remedy": ""}
 *              status: ok, warning or missing
 */
#ifndef SANDBOXKIT_H
#define SANDBOXKIT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SBK_API __attribute__((visibility("default")))
#else
#define SBK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header; sbk_version() has that of the library. Before 1.0 a minor version may break its users. */
#define SBK_VERSION_MAJOR 0
#define SBK_VERSION_MINOR 1
#define SBK_VERSION_PATCH 0

/* As the length of a string: up to its first NUL. */
#define SBK_NUL ((size_t)-1)

/* 1..11 are the classes of errors, the others are of this interface. */
typedef enum sbk_status {
    SBK_OK = 0,
    SBK_INVALID = 1,      /* the request or document is wrong; repeating it unchanged fails again */
    SBK_NOT_FOUND = 2,    /* the named object does not exist */
    SBK_CONFLICT = 3,     /* the object is in a state, or at a revision, that does not allow this */
    SBK_PERMISSION = 4,   /* the principal, or this process, may not do this */
    SBK_UNAVAILABLE = 5,  /* a peer or resource is not reachable now; may be retried */
    SBK_QUOTA = 6,        /* a limit was reached: disk, memory, processes, size */
    SBK_TIMEOUT = 7,      /* the time allowed for the operation ran out */
    SBK_CANCELLED = 8,    /* the caller cancelled the operation, or closed the engine */
    SBK_DATA_LOSS = 9,    /* stored data is damaged or from a version this build cannot read */
    SBK_UNSUPPORTED = 10, /* this build or the chosen provider does not do this, said by name */
    SBK_INTERNAL = 11,    /* a defect of the library, or a peer that broke its own protocol */
    SBK_NO_MEMORY = 12,   /* this process can have no more memory, threads or descriptors; a completion has no JSON then */
    SBK_MISUSE = 13,      /* NULL, or a value out of its range, where the function does not allow it: a defect of the caller */
    SBK_FORKED = 14,      /* the object belongs to the parent process */
    SBK_EMPTY = 15        /* the queue had no event in the time given */
} sbk_status;

typedef enum sbk_event_kind {
    SBK_EVENT_COMPLETION = 1, /* the end of an operation: sbk_event_status says which */
    SBK_EVENT_STATE = 2,      /* of an operation: it has got somewhere, {"state": "watching"} */
    SBK_EVENT_PROGRESS = 3,   /* of sbk_job_wait: {"phase": "image", "message": "", "done": 0, "total": 0}, and bytes: output */
    SBK_EVENT_OUTPUT = 4,     /* of sbk_process_follow: bytes, and sbk_event_stream and sbk_event_offset; no JSON */
    SBK_EVENT_CHANGE = 5,     /* of sbk_file_watch: {"change": "created", "name": "a/b"} */
    SBK_EVENT_REQUEST = 6,    /* the library asks: answer with sbk_event_respond or sbk_event_refuse */
    SBK_EVENT_LOG = 7,        /* {"level": "info", "at": "...", "event": "job.failed", "message": "...", "fields": {}, "dropped": 0} */
    SBK_EVENT_POSTED = 8      /* of sbk_queue_post */
} sbk_event_kind;

typedef enum sbk_stream { SBK_STANDARD_OUTPUT = 1, SBK_STANDARD_ERROR = 2 } sbk_stream;

/* The way by which a call came; for the activity log. */
typedef enum sbk_channel { SBK_CHANNEL_API = 0, SBK_CHANNEL_FORM = 1, SBK_CHANNEL_ASSISTANT = 2, SBK_CHANNEL_COMMAND_LINE = 3 } sbk_channel;

/* Where the check of a document stops: what saving, publishing or a session's start would find. */
typedef enum sbk_gate { SBK_GATE_SAVE = 0, SBK_GATE_PUBLISH = 1, SBK_GATE_START = 2 } sbk_gate;

/* How much is logged: the named level and those above it. */
typedef enum sbk_log_level { SBK_LOG_NOTHING = 0, SBK_LOG_ERROR = 1, SBK_LOG_WARNING = 2, SBK_LOG_INFO = 3, SBK_LOG_DEBUG = 4 } sbk_log_level;

typedef struct sbk_queue sbk_queue;         /* where events come out */
typedef struct sbk_event sbk_event;         /* one thing that happened */
typedef struct sbk_operation sbk_operation; /* one submission, to cancel it */
typedef struct sbk_engine sbk_engine;       /* an engine opened on a store */
typedef struct sbk_client sbk_client;       /* who asks, of which engine, and the queue that answers come to */
typedef struct sbk_command sbk_command;     /* a command to run in a session */
typedef struct sbk_process sbk_process;     /* a command that runs in a session */

/* ---- The library ------------------------------------------------------------------------------------------------------------ */

/* The version of the library as "0.1.0", which may be another than that of the header. Lives for ever.
 * Example:
 *     printf("sandboxkit %s\n", sbk_version());
 */
SBK_API const char *sbk_version(void);

/* Whether this build has something: 1 or 0. Features: "provider.local", "terminals", "trees", "watch", "credentials",
 * "references", "log", "providers". A name that is not known is 0. Whether this host can do it, sbk_doctor says.
 * Example:
 *     if (sbk_has_feature("provider.local", SBK_NUL)) puts("sandboxes of this machine");
 */
SBK_API int sbk_has_feature(const char *name, size_t name_size);

/* The name of a status, "not_found"; "unknown" of a number that is none. Lives for ever.
 * Example:
 *     printf("%s\n", sbk_status_name(SBK_NOT_FOUND));
 */
SBK_API const char *sbk_status_name(sbk_status status);

/* ---- Queues ----------------------------------------------------------------------------------------------------------------- */

/* Makes a queue. A program may have one for all, one an engine, one a thread.
 * Example:
 *     check(sbk_queue_new(&queue));
 */
SBK_API sbk_status sbk_queue_new(sbk_queue **queue);

/* A descriptor that is readable while the queue has events: for poll(), epoll and event loops. Only to wait with: do not read,
 * write or close it. After it became readable take events with a timeout of 0 until SBK_EMPTY. It lives as long as the queue:
 * end the waiting first. -1 in a forked child.
 * Example:
 *     struct pollfd waiting = {sbk_queue_descriptor(queue), POLLIN, 0};
 *     printf("%d ready\n", poll(&waiting, 1, 0));
 */
SBK_API int sbk_queue_descriptor(const sbk_queue *queue);

/* Takes the oldest event. `timeout_ms`: 0 does not wait, less than 0 waits for ever. Several threads may wait: each event goes
 * to one of them, so that a thread which waits for its own operations alone has a queue of its own.
 * Errors: SBK_EMPTY when the time is over.
 * Example:
 *     printf("%s\n", sbk_status_name(sbk_queue_next(&event, queue, 0)));
 */
SBK_API sbk_status sbk_queue_next(sbk_event **event, sbk_queue *queue, int64_t timeout_ms);

/* Puts an event of kind SBK_EVENT_POSTED into the queue: to wake up a thread that waits there.
 * Example:
 *     check(sbk_queue_post(queue, 7));
 *     check(sbk_queue_next(&event, queue, -1));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_queue_post(sbk_queue *queue, uint64_t tag);

/* Frees the queue and the events in it; those that would have come later are dropped, and requests among them are refused. No
 * other thread may wait in it, or be in another call with it.
 * Example:
 *     sbk_queue *other;
 *     check(sbk_queue_new(&other));
 *     sbk_queue_free(other);
 */
SBK_API void sbk_queue_free(sbk_queue *queue);

/* ---- Events ----------------------------------------------------------------------------------------------------------------- */

/* What happened: see sbk_event_kind. Pass over the kinds that you do not know.
 * Example:
 *     check(sbk_queue_post(queue, 7));
 *     check(sbk_queue_next(&event, queue, -1));
 *     if (sbk_event_get_kind(event) == SBK_EVENT_POSTED) puts("woken up");
 */
SBK_API sbk_event_kind sbk_event_get_kind(const sbk_event *event);

/* The tag of the operation that the event belongs to; of a request or log line, `host_tag`; of a posted event, that of
 * sbk_queue_post.
 * Example:
 *     printf("tag %u\n", (unsigned)sbk_event_tag(event));
 *     sbk_event_free(event);
 */
SBK_API uint64_t sbk_event_tag(const sbk_event *event);

/* SBK_OK, or the class of the error, of a completion; SBK_OK of other events.
 * Example:
 *     memset(&options, 0, sizeof options);
 *     options.struct_size = sizeof options;
 *     check(sbk_doctor(NULL, queue, 1, &options));
 *     check(sbk_queue_next(&event, queue, -1));
 *     if (sbk_event_status(event) == SBK_OK) puts("this host was looked at");
 */
SBK_API sbk_status sbk_event_status(const sbk_event *event);

/* The JSON of the event: the result, or an Error; of an event without one, NULL and length 0. `size` may be NULL. Lives as long
 * as the event.
 * Example:
 *     puts(sbk_event_json(event, &size));
 */
SBK_API const char *sbk_event_json(const sbk_event *event, size_t *size);

/* The string at a JSON pointer (RFC 6901) into the event's JSON, "/profile/id". NULL: there is none, or it is no string. `size`
 * may be NULL. Lives as long as the event.
 * Example:
 *     const char *name = sbk_event_text(event, "/0/name", SBK_NUL, &size);
 *     if (name) printf("%.*s\n", (int)size, name);
 */
SBK_API const char *sbk_event_text(const sbk_event *event, const char *pointer, size_t pointer_size, size_t *size);

/* The integer at a JSON pointer into the event's JSON; true is 1 and false is 0.
 * Errors: SBK_NOT_FOUND: there is none, or it is no such value.
 * Example:
 *     if (sbk_event_integer(&number, event, "/end/exit_code", SBK_NUL) != SBK_OK) puts("not the end of a command");
 */
SBK_API sbk_status sbk_event_integer(int64_t *value, const sbk_event *event, const char *pointer, size_t pointer_size);

/* Bytes that come beside the JSON: a chunk of output, the contents of a file, the collected standard output. Never NULL, with a
 * NUL behind them; `size` may be NULL. Live as long as the event.
 * Example:
 *     sbk_event_bytes(event, &size);
 *     printf("%u bytes beside the JSON\n", (unsigned)size);
 */
SBK_API const char *sbk_event_bytes(const sbk_event *event, size_t *size);

/* The collected standard error of sbk_session_exec. Never NULL, as sbk_event_bytes.
 * Example:
 *     sbk_event_error_bytes(event, &size);
 *     printf("%u bytes of standard error\n", (unsigned)size);
 */
SBK_API const char *sbk_event_error_bytes(const sbk_event *event, size_t *size);

/* Of an SBK_EVENT_OUTPUT: where it was written to. A terminal has standard output only.
 * Example:
 *     if (sbk_event_get_kind(event) == SBK_EVENT_OUTPUT && sbk_event_stream(event) == SBK_STANDARD_ERROR) puts("an error");
 */
SBK_API sbk_stream sbk_event_stream(const sbk_event *event);

/* Of an SBK_EVENT_OUTPUT: where its bytes begin in all the output of the process, in bytes. More than the end of those before:
 * what is between was dropped, since nobody took it and it was too much to keep.
 * Example:
 *     if (sbk_event_get_kind(event) == SBK_EVENT_OUTPUT) printf("from byte %u on\n", (unsigned)sbk_event_offset(event));
 */
SBK_API uint64_t sbk_event_offset(const sbk_event *event);

/* The engine that sbk_engine_open completed with; once. It is yours: sbk_engine_free.
 * Errors: SBK_MISUSE: it has none, or it was taken; `engine` is set to NULL then.
 * Example:
 *     if (sbk_event_take_engine(&engine, event) == SBK_MISUSE) puts("no engine in it");
 */
SBK_API sbk_status sbk_event_take_engine(sbk_engine **engine, sbk_event *event);

/* The process that sbk_process_start or sbk_process_attach completed with; once. It is yours: sbk_process_free. A process that
 * is not taken runs on.
 * Errors: SBK_MISUSE: it has none, or it was taken; `process` is set to NULL then.
 * Example:
 *     if (sbk_event_take_process(&process, event) == SBK_MISUSE) puts("no process in it");
 */
SBK_API sbk_status sbk_event_take_process(sbk_process **process, sbk_event *event);

/* Answers an SBK_EVENT_REQUEST, from any thread, with JSON, which may be null: there is no such thing. What is asked, and answers:
 *
 *   {"request": "credential", "lease": 1, "purpose": "clone", "url": "https://...", "connection": "id or null",
 *    "profile": "prf_...", "version": 1, "repository": "app", "role": "primary", "job": "job_...", "session": ""}
 *                                               {"username": "git", "secret": "...", "expires": null}
 *   {"request": "credential_release", "lease": 1, "purpose": "clone", "url": "https://...", "connection": "id or null",
 *    "profile": "prf_...", "version": 1, "repository": "app", "role": "primary", "job": "job_...", "session": "", "over": true,
 *    "refused": false}                          null
 *   {"request": "connection", "id": "..."}       {"kind": "git", "name": "", "protocols": [], "provider": "", "repositories": {},
 *                                                 "url_template": ""}
 *   {"request": "environment", "id": "..."}      {"name": "", "change_policy": ""}
 *   {"request": "host", "id": "..."}             {"provider": "local", "registered": false, "reachable": true,
 *                                                 "storage_backend": null, "workspace_volumes": false}
 *
 * kind: model_provider, git, connector or sandbox_provider. purpose: clone; pull, of a base image: url is "https://" and the
 * registry, repository is empty; fetch or push, for a session. expires: in seconds since 1970, UTC. The library wipes its copy of
 * a secret. A lease that is over is used by nothing any more, a refused one was not taken by its server.
 *
 * A provider of the host (sbk_engine_options) is asked for each operation of it, several at once: {"request": "provider",
 * "provider": "mine", "operation": "start", "sandbox_id": "..."}. The operations, what else they bring, and their answers; what is
 * marked with * has to be there, and what else is left out is false or empty:
 *
 *   capabilities                              {"capture": false, "capture_attributes": false, "capture_holes": false,
 *                                              "stop_and_resume": false, "read_only_paths": false,
 *                                              "egress_none": false, "egress_open": false, "cpu_limit": false,
 *                                              "memory_limit": false, "process_limit": false, "disk_limit": false,
 *                                              "volumes": false, "image_kinds": ["directory"], "identity": "", "facts": {"": ""}}
 *   prepare_image   image, digest or null, trees: [{"source": "/here", "target": "/there"}], labels
 *                                             ImageInfo: {"id": *, "labels": *, "ingredients": [{"kind": *, "name": *,
 *                                              "digest": *, "branch": ""}], "stale": false}
 *   inspect_image   image_id                  ImageInfo
 *   list_images                               [ImageInfo]
 *   remove_image    image_id                  null
 *   create          token, image_id, labels, limits: {"cpus": 2.0, "memory_bytes": 1, "processes": 1, "disk_bytes": null},
 *                   egress: "none" or "open", read_only_paths: [""], hostname,
 *                   volumes: [{"volume_id": "", "path": "/there", "read_only": false}]
 *                                             SandboxInfo: {"id": *, "token": *, "state": *, "labels": *, "unenforced": [""]}
 *   start, stop, destroy   sandbox_id         null
 *   inspect         sandbox_id                SandboxInfo
 *   list            labels                    [SandboxInfo]
 *   endpoint        sandbox_id                {"unix_socket": "/path", "headers": {}, "access_token": ""} or
 *                                             {"host": "name", "port": 443, "tls": false, "tls_ca": "", "headers": {},
 *                                              "access_token": "", "token_in_the_clear": false}
 *   capture         sandbox_id, labels        {"image": * ImageInfo, "sealed_us": 0, "synced_us": 0}
 *   ensure_volume   token, labels             VolumeInfo: {"id": *, "labels": *}
 *   remove_volume   volume_id                 null
 *   list_volumes    labels                    [VolumeInfo]
 *
 * state: created, running or ended. What each has to do, include/sandboxkit/provider.hpp says. The answer {"error": {"class":
 * "not_found", "code": "sandbox_not_found", "message": "...", "remedy": "", "detail": ""}} is an error of the provider's own;
 * class, code and message have to be there. Such a request waits for its answer as long as it takes. When the operation that
 * asked is cancelled it waits for five seconds more, and when the engine closes it is over at once: what the provider makes after
 * that is to be found by list and list_images. Opening an engine asks for these already: have a thread or an event loop that
 * answers before. What is no such answer is told as internal "provider_answer".
 * Errors: SBK_CONFLICT: it was answered already, or nobody waits for the answer any more. SBK_INVALID: not such JSON; the
 * operation that asked ends with an error that says what is wrong with it.
 * Example:
 *     if (sbk_event_get_kind(event) == SBK_EVENT_REQUEST) check(sbk_event_respond(event, "null", SBK_NUL));
 */
SBK_API sbk_status sbk_event_respond(sbk_event *event, const char *json, size_t json_size);

/* Answers an SBK_EVENT_REQUEST: it cannot be said now. The operation that asked ends with an error of this class (1..11), code
 * "host_refused" and `message`, one line for people.
 * Errors: SBK_CONFLICT, as above.
 * Example:
 *     if (sbk_event_get_kind(event) == SBK_EVENT_REQUEST) check(sbk_event_refuse(event, SBK_UNAVAILABLE, "not now", SBK_NUL));
 */
SBK_API sbk_status sbk_event_refuse(sbk_event *event, sbk_status status, const char *message, size_t message_size);

/* Frees the event and what was borrowed from it. A request that was not answered is refused. Output counts as taken only then:
 * see sbk_process_follow.
 * Example:
 *     sbk_event_free(event);
 */
SBK_API void sbk_event_free(sbk_event *event);

/* ---- Operations ------------------------------------------------------------------------------------------------------------- */

/* Asks for the end of the operation and returns at once. Its completion comes as ever, usually with SBK_CANCELLED; after it this
 * does nothing. It may come too late, and the operation be done. What was done by then is undone or stays as the operation says.
 * Example:
 *     check(sbk_doctor(&operation, queue, 2, &options));
 *     check(sbk_operation_cancel(operation));
 *     sbk_event_free(completion(queue, 2));
 */
SBK_API sbk_status sbk_operation_cancel(sbk_operation *operation);

/* The operation goes on, and can no longer be cancelled but by closing the engine.
 * Example:
 *     sbk_operation_free(operation);
 */
SBK_API void sbk_operation_free(sbk_operation *operation);

/* ---- Engines ---------------------------------------------------------------------------------------------------------------- */

/* Flags of sbk_engine_options. */
#define SBK_ENGINE_NO_JOBS 1u           /* queues snapshot jobs, and leaves them to other engines */
#define SBK_ENGINE_ASKS_REFERENCES 2u   /* asks on host_queue for connections, environments and hosts; else there are none */
#define SBK_ENGINE_ASKS_CREDENTIALS 4u  /* asks on host_queue for credentials to clone with; else there are none */
#define SBK_ENGINE_GIVES_CREDENTIALS_BACK 8u /* and tells there when one is given back */

typedef struct sbk_engine_options {
    size_t struct_size;
    const char *store; /* path of the SQLite file; made with its directory when absent. Required. */
    size_t store_size;
    const char *state_directory; /* of layers, sandboxes and mirrors; absent: "<store>.state" */
    size_t state_directory_size;
    const char *guest; /* path of the guest program; absent: the one that came with the library */
    size_t guest_size;
    const char *runtime; /* OCI runtime: "crun", "runc", "runsc", "kata-runtime" or a path; absent: crun, else runc */
    size_t runtime_size;
    sbk_queue *host_queue; /* where requests and log lines go; needed by the flags that ask and by log_level */
    uint64_t host_tag;     /* of those events */
    uint32_t workers;      /* threads for what the local provider does, 1..64; 0: 4 */
    uint32_t flags;        /* SBK_ENGINE_...; unknown ones are refused */
    uint32_t log_level;    /* sbk_log_level. At most 1000 lines wait in the queue: the next says how many were dropped. */
    uint32_t answer_timeout_ms; /* a request that nobody answers is refused then, but one to a provider; 0: 30 000 */
    const char *providers; /* JSON, ["mine"]: providers that the host is, by the names that profiles use; absent: none. "local" is
                              built in unless named here. They are asked on host_queue: see sbk_event_respond. */
    size_t providers_size;
    const char *credential_sources; /* JSON: where credentials come from (docs/credentials.md); absent: from nowhere, or from the
                                       host with SBK_ENGINE_ASKS_CREDENTIALS, which it does not go with */
    size_t credential_sources_size;
} sbk_engine_options;

/* Looks at what this host can do, with the options' state directory and runtime; opens nothing and leaves nothing behind.
 * Without a store and a state directory: in the file system of temporary files.
 * Completes with: [Check]
 * Errors: invalid "bad_options".
 * Example:
 *     options.store = "sandboxes.db";
 *     options.store_size = SBK_NUL;
 *     check(sbk_doctor(NULL, queue, 3, &options));
 *     event = completion(queue, 3);
 *     printf("%s: %s\n", sbk_event_text(event, "/0/name", SBK_NUL, NULL), sbk_event_text(event, "/0/status", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_doctor(sbk_operation **operation, sbk_queue *queue, uint64_t tag, const sbk_engine_options *options);

/* Opens or creates the store, and takes up or undoes what a dead process left. Several engines and processes may have one store
 * open. Cancelled: it is closed again.
 * Completes with: {"store": "/path"}, and the engine: sbk_event_take_engine. One that is not taken is closed.
 * Errors: invalid "bad_options", all at once; what SQLite and the file system say.
 * Example:
 *     options.host_queue = queue;
 *     options.flags = SBK_ENGINE_ASKS_REFERENCES;
 *     check(sbk_engine_open(NULL, queue, 4, &options));
 *     event = completion(queue, 4);
 *     check(sbk_event_take_engine(&engine, event));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_engine_open(sbk_operation **operation, sbk_queue *queue, uint64_t tag, const sbk_engine_options *options);

/* Does nothing, on a thread of the engine: to see that it is there, and how long it takes.
 * Completes with: no JSON
 * Errors: conflict "engine_closed".
 * Example:
 *     check(sbk_engine_ping(NULL, queue, 5, engine));
 *     sbk_event_free(completion(queue, 5));
 */
SBK_API sbk_status sbk_engine_ping(sbk_operation **operation, sbk_queue *queue, uint64_t tag, sbk_engine *engine);

/* Cancels what is running, waits for it, and ends the engine's threads. Sandboxes run on. The completion comes after those of
 * all other operations of the engine. Later submissions complete with conflict "engine_closed"; a second close completes when
 * the first has. Cannot be cancelled.
 * Completes with: no JSON
 * Example:
 *     options.log_level = SBK_LOG_INFO; // SBK_EVENT_LOG of this one, passed over by completion()
 *     check(sbk_engine_open(NULL, queue, 6, &options));
 *     event = completion(queue, 6);
 *     check(sbk_event_take_engine(&other_engine, event));
 *     sbk_event_free(event);
 *     check(sbk_engine_close(NULL, queue, 7, other_engine));
 *     sbk_event_free(completion(queue, 7));
 */
SBK_API sbk_status sbk_engine_close(sbk_operation **operation, sbk_queue *queue, uint64_t tag, sbk_engine *engine);

/* An engine that is not closed is closed first, in this call, which then takes its time. The completions of what that cancels
 * still come to their queues.
 * Example:
 *     sbk_engine_free(other_engine);
 */
SBK_API void sbk_engine_free(sbk_engine *engine);

/* ---- Clients ---------------------------------------------------------------------------------------------------------------- */
/* What is asked of an engine is asked by a client, and may be refused with permission "not_permitted", which names the scope that is
 * missing; not_found of an id that is none; conflict "engine_closed"; and what the store, the disk or a provider cannot do now. */

/* A principal at an engine, whom the host application has authenticated; answers come to the queue. Cheap: one a user, or one a
 * request. `id`: 1..256 bytes of UTF-8 without control characters. It has no scope yet, and so may do nothing.
 * Errors: SBK_MISUSE: an id that is none.
 * Example:
 *     check(sbk_client_new(&client, engine, queue, "ada", SBK_NUL));
 */
SBK_API sbk_status sbk_client_new(sbk_client **client, sbk_engine *engine, sbk_queue *queue, const char *id, size_t id_size);

/* A role that access lists may name.
 * Example:
 *     check(sbk_client_add_role(client, "developers", SBK_NUL));
 */
SBK_API sbk_status sbk_client_add_role(sbk_client *client, const char *role, size_t role_size);

/* "sandbox-profiles.read", "sandbox-profiles.manage", "sandbox-profile.use", "sandbox-profile.acl.manage" or
 * "sandboxes.administer"; docs/profile.md says who may do what.
 * Errors: SBK_INVALID: there is no such scope.
 * Example:
 *     check(sbk_client_add_scope(client, "sandbox-profiles.read", SBK_NUL));
 */
SBK_API sbk_status sbk_client_add_scope(sbk_client *client, const char *scope, size_t scope_size);

/* Of one who may do everything: the user of a store of one's own, an administrator.
 * Example:
 *     check(sbk_client_add_every_scope(client));
 */
SBK_API sbk_status sbk_client_add_every_scope(sbk_client *client);

/* The way by which the calls of this client came: see sbk_channel.
 * Example:
 *     check(sbk_client_set_channel(client, SBK_CHANNEL_FORM));
 */
SBK_API sbk_status sbk_client_set_channel(sbk_client *client, sbk_channel channel);

/* What it submitted goes on, and completes.
 * Example:
 *     sbk_client *other;
 *     check(sbk_client_new(&other, engine, queue, "grace", SBK_NUL));
 *     sbk_client_free(other);
 */
SBK_API void sbk_client_free(sbk_client *client);

/* Compares the store with the providers now, as opening does.
 * Completes with: no JSON
 * Example:
 *     check(sbk_engine_reconcile(NULL, client, 8));
 *     sbk_event_free(completion(queue, 8));
 */
SBK_API sbk_status sbk_engine_reconcile(sbk_operation **operation, sbk_client *client, uint64_t tag);

/* Checks a provider, of the library or of the host, by the cases that every provider has to pass (docs/conformance.md): they make
 * images and sandboxes beside what is there, and remove them. `options` is JSON: {"image": "host", "scratch": "/empty/directory",
 * "only": ["group", "group/name"], "probe": "/static/program", "patience_ms": 120000}. image: what sandboxes are made of; scratch: a
 * directory on a real file system, which is emptied again; only: of the cases, else all; probe: what tries to get out, else those
 * cases are skipped; patience_ms: how long one operation may take. The last three may be left out.
 * Completes with: [CaseResult]
 * Errors: invalid "bad_options", "conformance_options"; not_found "conformance_case_not_found", "no_host". A
 * case that fails is a result.
 * Example:
 *     mkdir("scratch", 0700);
 *     check(sbk_engine_check_provider(NULL, client, 70, "local", SBK_NUL,
 *                                     "{\"image\": \"host\", \"scratch\": \"scratch\", \"only\": [\"lifecycle/unknown_ids\"]}",
 *                                     SBK_NUL));
 *     event = completion(queue, 70);
 *     puts(sbk_event_text(event, "/0/verdict", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_engine_check_provider(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *provider,
                                             size_t provider_size, const char *options, size_t options_size);

/* ---- Hosts ------------------------------------------------------------------------------------------------------------------ */
/* A profile runs on the host that it names, else on the default one, else on the managed one of its provider's name. */

/* Registers a host: of `definition` the members "name", "provider", "endpoint", "labels", "tls" and "ssh" of a Host, of which the
 * last three may be left out. Files are named by absolute paths and read at each use; nothing of what they hold is kept.
 * Completes with: Host
 * Errors: invalid "host_invalid" with every problem; conflict "host_exists".
 * Example:
 *     check(sbk_host_add(NULL, client, 72, "{\"name\": \"build\", \"provider\": \"docker\","
 *                                          " \"endpoint\": \"tcp://build.example:2376\", \"tls\": {\"ca\": \"/ca.pem\"}}", SBK_NUL));
 *     event = completion(queue, 72);
 *     puts(sbk_event_text(event, "/endpoint", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_host_add(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *definition,
                                size_t definition_size);

/* One host, registered or managed.
 * Completes with: Host
 * Errors: not_found "no_host".
 * Example:
 *     check(sbk_host_get(NULL, client, 73, "build", SBK_NUL));
 *     sbk_event_free(completion(queue, 73));
 */
SBK_API sbk_status sbk_host_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *name, size_t name_size);

/* The managed ones, then the registered.
 * Completes with: [Host]
 * Example:
 *     check(sbk_host_list(NULL, client, 74));
 *     event = completion(queue, 74);
 *     puts(sbk_event_text(event, "/0/name", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_host_list(sbk_operation **operation, sbk_client *client, uint64_t tag);

/* Asks the host whether it can be used: the answer comes within ten seconds, also when it is that nobody answers.
 * Completes with: HostStatus
 * Errors: not_found "no_host".
 * Example:
 *     check(sbk_host_test(NULL, client, 75, "local", SBK_NUL));
 *     event = completion(queue, 75);
 *     puts(sbk_event_text(event, "/state", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_host_test(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *name, size_t name_size);

/* Takes a host whose state is "replaced" as it is now; the sessions and snapshots that were there are given up.
 * Completes with: no JSON
 * Errors: conflict "host_not_replaced", after it was asked; not_found "no_host".
 * Example:
 *     check(sbk_host_accept(NULL, client, 76, "local", SBK_NUL));
 *     check(sbk_queue_next(&event, queue, -1));
 *     if (sbk_event_status(event) == SBK_CONFLICT) puts("it is the same as ever");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_host_accept(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *name, size_t name_size);

/* Chooses where profiles run that name no host. `name`: absent: each on the managed host of its provider.
 * Completes with: no JSON
 * Errors: not_found "no_host".
 * Example:
 *     check(sbk_host_set_default(NULL, client, 77, "build", SBK_NUL));
 *     sbk_event_free(completion(queue, 77));
 *     check(sbk_host_set_default(NULL, client, 78, NULL, 0));
 *     sbk_event_free(completion(queue, 78));
 */
SBK_API sbk_status sbk_host_set_default(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *name,
                                        size_t name_size);

/* Forgets a registered host. `force` not 0: its sessions and snapshots are given up; what is on the host itself stays there.
 * Completes with: no JSON
 * Errors: conflict "host_in_use"; conflict "host_managed": it comes with the engine; not_found "no_host".
 * Example:
 *     check(sbk_host_remove(NULL, client, 79, "build", SBK_NUL, 0));
 *     sbk_event_free(completion(queue, 79));
 */
SBK_API sbk_status sbk_host_remove(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *name, size_t name_size,
                                   int force);

/* ---- Profiles --------------------------------------------------------------------------------------------------------------- */

/* Makes a profile of a document (docs/profile.md). The same client_token of the same principal again: the profile that was made
 * first. `client_token`: at most 200 bytes, or absent.
 * Completes with: Profile
 * Errors: invalid "profile_invalid" with every problem.
 * Example:
 *     check(sbk_profile_create(NULL, client, 9, "{\"name\": \"hello\", \"setup_script\": \"echo hello > /root/greeting\"}",
 *                              SBK_NUL, NULL, 0));
 *     event = completion(queue, 9);
 *     copy_text(profile, sizeof profile, event, "/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_create(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *document,
                                      size_t document_size, const char *client_token, size_t client_token_size);

/* What is known of a profile but for its document.
 * Completes with: Profile
 * Errors: not_found.
 * Example:
 *     check(sbk_profile_get(NULL, client, 10, profile, SBK_NUL));
 *     event = completion(queue, 10);
 *     check(sbk_event_integer(&revision, event, "/revision", SBK_NUL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                   size_t profile_size);

/* Those that the principal may see.
 * Completes with: [Profile]
 * Example:
 *     check(sbk_profile_list(NULL, client, 11));
 *     event = completion(queue, 11);
 *     puts(sbk_event_text(event, "/0/name", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_list(sbk_operation **operation, sbk_client *client, uint64_t tag);

/* The draft as a whole document; without a draft, of the newest version.
 * Completes with: a profile's document
 * Errors: not_found.
 * Example:
 *     check(sbk_profile_draft(NULL, client, 12, profile, SBK_NUL));
 *     event = completion(queue, 12);
 *     puts(sbk_event_text(event, "/setup_script", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_draft(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                     size_t profile_size);

/* What is in use, running, open, and was done lately: one answer for a page about a profile.
 * Completes with: Overview
 * Errors: not_found.
 * Example:
 *     check(sbk_profile_overview(NULL, client, 13, profile, SBK_NUL));
 *     event = completion(queue, 13);
 *     puts(sbk_event_text(event, "/test", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_overview(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                        size_t profile_size);

/* A new profile with the draft, or else the newest version, and the record of another; its triggers and schedule are off.
 * Versions, snapshots and history stay with the other. `name`: absent: that of the other, and " (copy)".
 * Completes with: Profile
 * Errors: not_found; invalid "profile_invalid".
 * Example:
 *     check(sbk_profile_duplicate(NULL, client, 14, profile, SBK_NUL, "copy", SBK_NUL));
 *     event = completion(queue, 14);
 *     copy_text(copy, sizeof copy, event, "/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_duplicate(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                         size_t profile_size, const char *name, size_t name_size);

/* Its versions and its activity can no longer be used, and are kept. `force` not 0: removes its sessions first.
 * Completes with: no JSON
 * Errors: conflict "profile_in_use": a session has not ended; not_found.
 * Example:
 *     check(sbk_profile_duplicate(NULL, client, 70, profile, SBK_NUL, NULL, 0));
 *     event = completion(queue, 70);
 *     check(sbk_profile_delete(NULL, client, 15, sbk_event_text(event, "/id", SBK_NUL, NULL), SBK_NUL, 0));
 *     sbk_event_free(event);
 *     sbk_event_free(completion(queue, 15));
 */
SBK_API sbk_status sbk_profile_delete(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                      size_t profile_size, int force);

/* Replaces the draft. `expected_revision`: the profile's when the document was read; less than 0: whatever is there is replaced.
 * Completes with: Kept
 * Errors: invalid "profile_invalid"; conflict "stale_revision".
 * Example:
 *     const char *document = "{\"name\": \"hello\", \"setup_script\": \"echo hello there > /root/greeting\"}";
 *     check(sbk_profile_edit(NULL, client, 16, profile, SBK_NUL, document, SBK_NUL, revision));
 *     sbk_event_free(completion(queue, 16));
 */
SBK_API sbk_status sbk_profile_edit(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                    size_t profile_size, const char *document, size_t document_size, int64_t expected_revision);

/* Replaces one section (docs/profile.md) by `members`, a JSON object; members left out take their defaults.
 * Completes with: Kept
 * Errors: invalid "profile_invalid"; conflict "stale_revision", whose problems show both sides.
 * Example:
 *     check(sbk_profile_edit_section(NULL, client, 17, copy, SBK_NUL, "agent_instructions", SBK_NUL,
 *                                    "{\"agent_instructions\": \"Be kind.\"}", SBK_NUL, -1));
 *     sbk_event_free(completion(queue, 17));
 */
SBK_API sbk_status sbk_profile_edit_section(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                            size_t profile_size, const char *section, size_t section_size, const char *members,
                                            size_t members_size, int64_t expected_revision);

/* Checks the edit of a section like one that is kept, and stores it for somebody to keep or discard.
 * Completes with: Proposal
 * Errors: as sbk_profile_edit_section; quota "too_many_proposals": 100 of the profile are open.
 * Example:
 *     check(sbk_proposal_create(NULL, client, 18, copy, SBK_NUL, "general", SBK_NUL,
 *                               "{\"name\": \"copy\", \"description\": \"Says hello.\"}", SBK_NUL, -1));
 *     sbk_event_free(completion(queue, 18));
 */
SBK_API sbk_status sbk_proposal_create(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                       size_t profile_size, const char *section, size_t section_size, const char *members,
                                       size_t members_size, int64_t expected_revision);

/* The open ones of a profile, oldest first.
 * Completes with: [Proposal]
 * Errors: not_found.
 * Example:
 *     check(sbk_proposal_list(NULL, client, 19, copy, SBK_NUL));
 *     event = completion(queue, 19);
 *     copy_text(proposal, sizeof proposal, event, "/0/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_proposal_list(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                     size_t profile_size);

/* Makes the edit, by the principal who keeps it.
 * Completes with: Kept
 * Errors: not_found; conflict "stale_revision" when it would no longer change what it showed; conflict "proposal_closed".
 * Example:
 *     check(sbk_proposal_keep(NULL, client, 20, proposal, SBK_NUL));
 *     sbk_event_free(completion(queue, 20));
 */
SBK_API sbk_status sbk_proposal_keep(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *proposal,
                                     size_t proposal_size);

/* Closes it, and changes nothing.
 * Completes with: Proposal
 * Errors: not_found; conflict "proposal_closed".
 * Example:
 *     check(sbk_proposal_create(NULL, client, 21, copy, SBK_NUL, "general", SBK_NUL, "{\"name\": \"bye\"}", SBK_NUL, -1));
 *     event = completion(queue, 21);
 *     check(sbk_proposal_discard(NULL, client, 22, sbk_event_text(event, "/id", SBK_NUL, NULL), SBK_NUL));
 *     sbk_event_free(event);
 *     sbk_event_free(completion(queue, 22));
 */
SBK_API sbk_status sbk_proposal_discard(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *proposal,
                                        size_t proposal_size);

/* The history of the agent instructions, newest first.
 * Completes with: [Instructions]
 * Errors: not_found.
 * Example:
 *     check(sbk_instructions_list(NULL, client, 23, copy, SBK_NUL));
 *     event = completion(queue, 23);
 *     puts(sbk_event_text(event, "/0/digest", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_instructions_list(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                         size_t profile_size);

/* The text of one revision.
 * Completes with: no JSON, and the text as bytes
 * Errors: not_found "no_instructions".
 * Example:
 *     check(sbk_instructions_get(NULL, client, 24, copy, SBK_NUL, 1));
 *     event = completion(queue, 24);
 *     puts(sbk_event_bytes(event, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_instructions_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                        size_t profile_size, uint32_t revision);

/* Makes the text of an older revision the newest.
 * Completes with: Kept
 * Errors: not_found "no_instructions".
 * Example:
 *     check(sbk_instructions_restore(NULL, client, 25, copy, SBK_NUL, 1));
 *     sbk_event_free(completion(queue, 25));
 */
SBK_API sbk_status sbk_instructions_restore(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                            size_t profile_size, uint32_t revision);

/* What was done to a profile, newest first, also of a deleted one. `limit`: 1..1000. `before`: only what has a smaller sequence;
 * less than 0: from the newest on.
 * Completes with: [Activity]
 * Errors: not_found; invalid.
 * Example:
 *     check(sbk_profile_activity(NULL, client, 26, profile, SBK_NUL, 100, -1));
 *     event = completion(queue, 26);
 *     puts(sbk_event_text(event, "/0/action", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_profile_activity(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                        size_t profile_size, uint32_t limit, int64_t before);

/* Every problem that the gate and those before it would find; stores nothing. With SBK_ENGINE_ASKS_REFERENCES it may ask for
 * what the document refers to, here while it is checked for publishing.
 * Completes with: Validation
 * Errors: what a request was refused with.
 * Example:
 *     check(sbk_profile_validate(NULL, client, 27, "{\"name\": \"\"}", SBK_NUL, SBK_GATE_SAVE));
 *     sbk_event_free(completion(queue, 27));
 *     const char *document = "{\"name\": \"x\", \"environment_binding\": \"staging\", \"host\": \"h\"}";
 *     check(sbk_profile_validate(NULL, client, 71, document, SBK_NUL, SBK_GATE_PUBLISH));
 *     do {
 *         check(sbk_queue_next(&event, queue, -1));
 *         copy_text(request, sizeof request, event, "/request");
 *         if (strcmp(request, "environment") == 0) check(sbk_event_respond(event, "{\"name\": \"Staging\"}", SBK_NUL));
 *         if (strcmp(request, "host") == 0) check(sbk_event_refuse(event, SBK_UNAVAILABLE, "no directory of hosts", SBK_NUL));
 *         completed = sbk_event_get_kind(event) == SBK_EVENT_COMPLETION;
 *         if (completed) puts(sbk_event_json(event, NULL));
 *         sbk_event_free(event);
 *     } while (!completed);
 */
SBK_API sbk_status sbk_profile_validate(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *document,
                                        size_t document_size, sbk_gate gate);

/* ---- Versions --------------------------------------------------------------------------------------------------------------- */

/* Freezes the draft as a version, decides whether a snapshot can be reused, and queues the job that builds one if not.
 * Completes with: Version; its last_job builds the snapshot, and is null when one is reused
 * Errors: unsupported "publish_refused" with every problem that closes the gate; conflict "no_change": there is no draft, or
 * "draft_changed" meanwhile.
 * Example:
 *     check(sbk_version_publish(NULL, client, 28, profile, SBK_NUL));
 *     event = completion(queue, 28);
 *     copy_text(job, sizeof job, event, "/last_job");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_version_publish(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                       size_t profile_size);

/* One version of a profile.
 * Completes with: Version
 * Errors: not_found.
 * Example:
 *     check(sbk_version_get(NULL, client, 29, profile, SBK_NUL, 1));
 *     event = completion(queue, 29);
 *     puts(sbk_event_text(event, "/digest", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_version_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                   size_t profile_size, uint32_t version);

/* Newest last.
 * Completes with: [Version]
 * Errors: not_found.
 * Example:
 *     check(sbk_version_list(NULL, client, 30, profile, SBK_NUL));
 *     event = completion(queue, 30);
 *     puts(sbk_event_text(event, "/0/snapshot", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_version_list(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                    size_t profile_size);

/* The fields in which two versions' recipes differ; a version does not from itself.
 * Completes with: [Change]
 * Errors: not_found.
 * Example:
 *     check(sbk_version_diff(NULL, client, 31, profile, SBK_NUL, 1, 1));
 *     event = completion(queue, 31);
 *     puts(sbk_event_json(event, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_version_diff(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                    size_t profile_size, uint32_t before, uint32_t after);

/* A version as one file, which shows when it was changed on the way.
 * Completes with: no JSON, and the file as bytes
 * Errors: not_found.
 * Example:
 *     check(sbk_version_export(NULL, client, 32, profile, SBK_NUL, 1));
 *     exported = completion(queue, 32);
 */
SBK_API sbk_status sbk_version_export(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                      size_t profile_size, uint32_t version);

/* A profile with the recipe of such a file as its draft. `name`: absent: that in the file.
 * Completes with: Profile
 * Errors: invalid "version_file_invalid"; data_loss "version_file_changed": it is not as it was written.
 * Example:
 *     const char *file = sbk_event_bytes(exported, &size);
 *     check(sbk_version_import(NULL, client, 33, file, size, "imported", SBK_NUL));
 *     sbk_event_free(exported);
 *     sbk_event_free(completion(queue, 33));
 */
SBK_API sbk_status sbk_version_import(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *file,
                                      size_t file_size, const char *name, size_t name_size);

/* ---- Snapshots -------------------------------------------------------------------------------------------------------------- */

/* Queues a job that builds a version's snapshot anew, on the host where a session would start now; the old one is used until then.
 * Completes with: Job
 * Errors: not_found; conflict "job_active": one is building it.
 * Example:
 *     check(sbk_job_wait(NULL, client, 34, job, SBK_NUL));
 *     sbk_event_free(completion(queue, 34));
 *     check(sbk_snapshot_refresh(NULL, client, 35, profile, SBK_NUL, 1));
 *     event = completion(queue, 35);
 *     copy_text(job, sizeof job, event, "/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_snapshot_refresh(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                        size_t profile_size, uint32_t version);

/* A job as it is now.
 * Completes with: Job
 * Errors: not_found.
 * Example:
 *     check(sbk_job_get(NULL, client, 36, job, SBK_NUL));
 *     event = completion(queue, 36);
 *     puts(sbk_event_text(event, "/trigger", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_job_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *job, size_t job_size);

/* Of a profile.
 * Completes with: [Job]
 * Errors: not_found.
 * Example:
 *     check(sbk_job_list(NULL, client, 37, profile, SBK_NUL));
 *     sbk_event_free(completion(queue, 37));
 */
SBK_API sbk_status sbk_job_list(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *profile,
                                size_t profile_size);

/* Completes when the job has ended, whoever runs it; success of waiting is not success of the job. Events before it:
 * SBK_EVENT_PROGRESS. Cancelling stops the waiting, not the job.
 * Completes with: Job
 * Errors: not_found.
 * Example:
 *     check(sbk_job_wait(NULL, client, 38, job, SBK_NUL));
 *     event = completion(queue, 38);
 *     puts(sbk_event_text(event, "/state", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_job_wait(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *job, size_t job_size);

/* What the build printed: at most 1 MiB, the middle left out with a marker.
 * Completes with: no JSON, and the log as bytes
 * Errors: not_found.
 * Example:
 *     check(sbk_job_log(NULL, client, 39, job, SBK_NUL));
 *     event = completion(queue, 39);
 *     puts(sbk_event_bytes(event, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_job_log(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *job, size_t job_size);

/* Ends a job that is queued or runs; what it began is taken back.
 * Completes with: Job
 * Errors: not_found; conflict "job_ended".
 * Example:
 *     check(sbk_job_cancel(NULL, client, 40, job, SBK_NUL));
 *     do check(sbk_queue_next(&event, queue, -1)); while (sbk_event_tag(event) != 40);
 *     puts(sbk_status_name(sbk_event_status(event))); // a conflict: it has ended
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_job_cancel(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *job, size_t job_size);

/* ---- Sessions --------------------------------------------------------------------------------------------------------------- */

typedef struct sbk_session_options {
    size_t struct_size;
    const char *profile; /* required */
    size_t profile_size;
    const char *client_token; /* at most 200 bytes, or absent: a second start with it gives the first's session */
    size_t client_token_size;
    uint64_t idle_limit_s; /* stopped after so long without a call or process; 0: never */
    uint64_t time_limit_s; /* stopped so long after its start; 0: never */
    uint32_t version;      /* 0: the newest with a usable snapshot */
    uint32_t reserved;     /* 0 */
} sbk_session_options;

/* Starts a session from the snapshot of a version. Cancelled: nothing is left of it.
 * Completes with: Session
 * Errors: not_found; conflict "not_published", "snapshot_not_ready", "client_token_reused"; unsupported "start_refused" with every
 * problem that closes the gate; invalid "limit_invalid".
 * Example:
 *     memset(&start, 0, sizeof start);
 *     start.struct_size = sizeof start;
 *     start.profile = profile;
 *     start.profile_size = SBK_NUL;
 *     check(sbk_session_start(NULL, client, 41, &start));
 *     event = completion(queue, 41);
 *     copy_text(session, sizeof session, event, "/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_session_start(sbk_operation **operation, sbk_client *client, uint64_t tag,
                                     const sbk_session_options *options);

/* A session as it is now.
 * Completes with: Session
 * Errors: not_found.
 * Example:
 *     check(sbk_session_get(NULL, client, 42, session, SBK_NUL));
 *     event = completion(queue, 42);
 *     puts(sbk_event_text(event, "/state", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_session_get(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                   size_t session_size);

/* Those that the principal may see. `ended` not 0: also those that ended.
 * Completes with: [Session]
 * Example:
 *     check(sbk_session_list(NULL, client, 43, 0));
 *     event = completion(queue, 43);
 *     puts(sbk_event_text(event, "/0/id", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_session_list(sbk_operation **operation, sbk_client *client, uint64_t tag, int ended);

/* ---- Commands --------------------------------------------------------------------------------------------------------------- */

/* A command, without arguments yet. May be used for any number of submissions, each of which copies it.
 * Example:
 *     check(sbk_command_new(&command));
 */
SBK_API sbk_status sbk_command_new(sbk_command **command);

/* The first is the program, looked up on the sandbox's PATH unless it has a slash. UTF-8, without NUL: else the submission that
 * uses the command completes with invalid.
 * Example:
 *     check(sbk_command_add_argument(command, "sh", SBK_NUL));
 *     check(sbk_command_add_argument(command, "-c", SBK_NUL));
 *     check(sbk_command_add_argument(command, "cat /root/greeting -; echo \"in $LANG\" >&2", SBK_NUL));
 */
SBK_API sbk_status sbk_command_add_argument(sbk_command *command, const char *argument, size_t argument_size);

/* On top of the session's environment.
 * Example:
 *     check(sbk_command_set_environment(command, "LANG", SBK_NUL, "C.UTF-8", SBK_NUL));
 */
SBK_API sbk_status sbk_command_set_environment(sbk_command *command, const char *name, size_t name_size, const char *value,
                                               size_t value_size);

/* The working directory, absolute.
 * Example:
 *     check(sbk_command_set_directory(command, "/root", SBK_NUL));
 */
SBK_API sbk_status sbk_command_set_directory(sbk_command *command, const char *path, size_t path_size);

/* A name in the sandbox's /etc/passwd; without this, root.
 * Example:
 *     check(sbk_command_set_user(command, "root", SBK_NUL));
 */
SBK_API sbk_status sbk_command_set_user(sbk_command *command, const char *user, size_t user_size);

/* The process group is killed then; 0: never.
 * Example:
 *     check(sbk_command_set_timeout(command, 60000));
 */
SBK_API sbk_status sbk_command_set_timeout(sbk_command *command, uint64_t milliseconds);

/* Not 0: a pipe, for sbk_process_write; else standard input is empty.
 * Example:
 *     check(sbk_command_set_standard_input(command, 0));
 */
SBK_API sbk_status sbk_command_set_standard_input(sbk_command *command, int open);

/* A terminal, of this size in characters, in place of all three pipes. It always takes input.
 * Example:
 *     check(sbk_command_new(&shell));
 *     check(sbk_command_add_argument(shell, "sh", SBK_NUL));
 *     check(sbk_command_set_terminal(shell, 80, 24));
 */
SBK_API sbk_status sbk_command_set_terminal(sbk_command *command, uint16_t columns, uint16_t rows);

/* Also while what was submitted with it runs.
 * Example:
 *     sbk_command *other;
 *     check(sbk_command_new(&other));
 *     sbk_command_free(other);
 */
SBK_API void sbk_command_free(sbk_command *command);

/* Runs a command and collects its output, at most `output_limit` bytes a stream; 0: 16 MiB. Cancelling kills its process group.
 * Completes with: {"end": End, "dropped_bytes": 0}, and the output: sbk_event_bytes and sbk_event_error_bytes
 * Errors: invalid "..." for a command that cannot be; not_found: no such session; conflict
 * "session_not_running".
 * Example:
 *     check(sbk_session_exec(NULL, client, 44, session, SBK_NUL, command, 0));
 *     event = completion(queue, 44);
 *     check(sbk_event_integer(&number, event, "/end/exit_code", SBK_NUL));
 *     printf("%s%sexit code %d\n", sbk_event_bytes(event, NULL), sbk_event_error_bytes(event, NULL), (int)number);
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_session_exec(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                    size_t session_size, const sbk_command *command, uint64_t output_limit);

/* Those that somebody started and that run.
 * Completes with: [{"id": "cmd_...", "pid": 1, "argv": ["..."]}]
 * Errors: not_found; conflict "session_not_running".
 * Example:
 *     check(sbk_process_start(NULL, client, 45, session, SBK_NUL, shell));
 *     sbk_event_free(completion(queue, 45)); // its process is not taken: it runs on
 *     check(sbk_session_processes(NULL, client, 46, session, SBK_NUL));
 *     event = completion(queue, 46);
 *     copy_text(process_id, sizeof process_id, event, "/0/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_session_processes(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                         size_t session_size);

/* Sends a signal to the process group of a process by its id.
 * Completes with: no JSON
 * Errors: not_found; conflict "session_not_running".
 * Example:
 *     check(sbk_session_signal(NULL, client, 47, session, SBK_NUL, process_id, SBK_NUL, SIGKILL));
 *     sbk_event_free(completion(queue, 47));
 */
SBK_API sbk_status sbk_session_signal(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                      size_t session_size, const char *process, size_t process_size, int signal_number);

/* ---- Processes -------------------------------------------------------------------------------------------------------------- */

/* Starts a command. Completes when it runs; cancelled before, there is none. The answers about the process come to the client's
 * queue.
 * Completes with: {"id": "cmd_...", "pid": 1}, and the process: sbk_event_take_process
 * Errors: as sbk_session_exec.
 * Example:
 *     check(sbk_command_set_standard_input(command, 1));
 *     check(sbk_process_start(NULL, client, 48, session, SBK_NUL, command));
 *     event = completion(queue, 48);
 *     check(sbk_event_take_process(&process, event));
 *     copy_text(process_id, sizeof process_id, event, "/id");
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_process_start(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                     size_t session_size, const sbk_command *command);

/* A process by its id, whoever started it, also from another program. Several may be attached: each gets the output. `offset`:
 * its output from there on, 0 being all that is kept; less than 0: what nobody has read yet.
 * Completes with: {"id": "cmd_...", "pid": 1}, and the process: sbk_event_take_process
 * Errors: not_found "process_not_found"; conflict "session_not_running".
 * Example:
 *     check(sbk_process_attach(NULL, client, 49, session, SBK_NUL, process_id, SBK_NUL, 0));
 *     event = completion(queue, 49);
 *     check(sbk_event_take_process(&attached, event));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_process_attach(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                      size_t session_size, const char *process, size_t process_size, int64_t offset);

/* Follows the output to the end of the process: SBK_EVENT_OUTPUT, any number of them, then the completion. When more than
 * `window` bytes (0: 1 MiB) are in events that were not freed, the library takes no more, and the process is held back when its
 * pipe is full. Cancelling stops the following, not the process, and loses no output: follow again.
 * Completes with: End
 * Errors: conflict "already_followed"; unavailable "guest_disconnected", "guest_unreachable".
 * Example:
 *     check(sbk_process_follow(NULL, process, 50, 0)); // its events are taken below, when its input was closed
 */
SBK_API sbk_status sbk_process_follow(sbk_operation **operation, sbk_process *process, uint64_t tag, size_t window);

/* To its standard input or its terminal; completes when that has taken it. `bytes` may be NULL with size 0. What is submitted
 * through one sbk_process arrives in the order of its submission, sbk_process_close_input included; one that fails or is cancelled
 * does not hold up the next.
 * Completes with: no JSON
 * Errors: not_found: it has ended; internal: it takes no input; quota: too much waits that it has not read.
 * Example:
 *     check(sbk_process_write(NULL, process, 51, "hello\n", SBK_NUL));
 */
SBK_API sbk_status sbk_process_write(sbk_operation **operation, sbk_process *process, uint64_t tag, const char *bytes, size_t size);

/* Closes its standard input, after what was written to it; of a terminal, write what its user would type, "\x04".
 * Completes with: no JSON
 * Errors: as sbk_process_write.
 * Example:
 *     check(sbk_process_close_input(NULL, process, 52));
 *     for (int completions = 0; completions < 3; sbk_event_free(event)) { // of following, writing and closing
 *         check(sbk_queue_next(&event, queue, -1));
 *         completions += sbk_event_get_kind(event) == SBK_EVENT_COMPLETION;
 *         if (sbk_event_get_kind(event) == SBK_EVENT_OUTPUT)
 *             printf("%d at %u: %s", (int)sbk_event_stream(event), (unsigned)sbk_event_offset(event),
 *                    sbk_event_bytes(event, NULL));
 *     }
 */
SBK_API sbk_status sbk_process_close_input(sbk_operation **operation, sbk_process *process, uint64_t tag);

/* The size of its terminal in characters.
 * Completes with: no JSON
 * Errors: not_found: it has ended; invalid: it has no terminal. SBK_MISUSE: a size of 0.
 * Example:
 *     check(sbk_process_start(NULL, client, 53, session, SBK_NUL, shell));
 *     event = completion(queue, 53);
 *     check(sbk_event_take_process(&terminal, event));
 *     sbk_event_free(event);
 *     check(sbk_process_resize(NULL, terminal, 54, 132, 43));
 *     sbk_event_free(completion(queue, 54));
 */
SBK_API sbk_status sbk_process_resize(sbk_operation **operation, sbk_process *process, uint64_t tag, uint16_t columns,
                                      uint16_t rows);

/* To its process group.
 * Completes with: no JSON
 * Errors: not_found: it has ended.
 * Example:
 *     check(sbk_process_signal(NULL, terminal, 55, SIGKILL));
 *     sbk_event_free(completion(queue, 55));
 */
SBK_API sbk_status sbk_process_signal(sbk_operation **operation, sbk_process *process, uint64_t tag, int signal_number);

/* The process runs on, and what was submitted to it goes on.
 * Example:
 *     sbk_process_free(process);
 *     sbk_process_free(attached);
 *     sbk_process_free(terminal);
 */
SBK_API void sbk_process_free(sbk_process *process);

/* ---- Files ------------------------------------------------------------------------------------------------------------------ */
/* As root of the sandbox, with absolute paths in it, which are bytes without NUL. */

/* Replaces or makes a file, and makes missing directories above it. `bytes` may be NULL with size 0: an empty file.
 * Completes with: no JSON
 * Errors: permission; quota: no space is left; conflict "session_not_running".
 * Example:
 *     check(sbk_file_write(NULL, client, 56, session, SBK_NUL, "/root/note", SBK_NUL, "a line\n", SBK_NUL));
 *     sbk_event_free(completion(queue, 56));
 */
SBK_API sbk_status sbk_file_write(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                  size_t session_size, const char *path, size_t path_size, const char *bytes, size_t size);

/* At most 64 MiB.
 * Completes with: no JSON, and the contents as bytes
 * Errors: not_found; quota "file_too_large".
 * Example:
 *     check(sbk_file_read(NULL, client, 57, session, SBK_NUL, "/root/note", SBK_NUL));
 *     event = completion(queue, 57);
 *     puts(sbk_event_bytes(event, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_file_read(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                 size_t session_size, const char *path, size_t path_size);

/* Of a file, directory or other object; of a symbolic link, of the link itself.
 * Completes with: File
 * Errors: not_found.
 * Example:
 *     check(sbk_file_info(NULL, client, 58, session, SBK_NUL, "/root/note", SBK_NUL));
 *     event = completion(queue, 58);
 *     puts(sbk_event_text(event, "/permissions", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_file_info(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                 size_t session_size, const char *path, size_t path_size);

/* Of a directory, without an order, and of those below it to the depth of `depth`; 1: only its own.
 * Completes with: [File]
 * Errors: not_found; invalid.
 * Example:
 *     check(sbk_file_list(NULL, client, 59, session, SBK_NUL, "/root", SBK_NUL, 1));
 *     event = completion(queue, 59);
 *     puts(sbk_event_text(event, "/0/name", SBK_NUL, NULL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_file_list(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                 size_t session_size, const char *path, size_t path_size, uint32_t depth);

/* A directory, with those above it.
 * Completes with: File
 * Errors: conflict: it is there.
 * Example:
 *     check(sbk_file_make_directory(NULL, client, 60, session, SBK_NUL, "/root/kept", SBK_NUL));
 *     sbk_event_free(completion(queue, 60));
 */
SBK_API sbk_status sbk_file_make_directory(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                           size_t session_size, const char *path, size_t path_size);

/* Moves or renames; a file that has the new name already is replaced.
 * Completes with: File
 * Errors: not_found.
 * Example:
 *     check(sbk_file_move(NULL, client, 61, session, SBK_NUL, "/root/note", SBK_NUL, "/root/kept/note", SBK_NUL));
 *     sbk_event_free(completion(queue, 61));
 */
SBK_API sbk_status sbk_file_move(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                 size_t session_size, const char *from, size_t from_size, const char *to, size_t to_size);

/* A directory with all that it holds. What is not there is removed.
 * Completes with: no JSON
 * Errors: permission.
 * Example:
 *     check(sbk_file_remove(NULL, client, 62, session, SBK_NUL, "/root/kept", SBK_NUL));
 *     sbk_event_free(completion(queue, 62));
 */
SBK_API sbk_status sbk_file_remove(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                   size_t session_size, const char *path, size_t path_size);

/* What happens to the files below a directory; `recursive` not 0: in those below it, too. First SBK_EVENT_STATE, from when on
 * every change is told; then SBK_EVENT_CHANGE for each: created, written, removed, renamed or attributes. Goes on until it is
 * cancelled or fails.
 * Completes with: no JSON
 * Errors: not_found; quota: more happened than was taken in time.
 * Example:
 *     check(sbk_file_watch(&operation, client, 63, session, SBK_NUL, "/root", SBK_NUL, 1));
 *     check(sbk_queue_next(&event, queue, -1)); // SBK_EVENT_STATE
 *     check(sbk_file_write(NULL, client, 64, session, SBK_NUL, "/root/seen", SBK_NUL, "", SBK_NUL));
 *     do {
 *         sbk_event_free(event);
 *         check(sbk_queue_next(&event, queue, -1));
 *     } while (sbk_event_get_kind(event) != SBK_EVENT_CHANGE);
 *     puts(sbk_event_json(event, NULL));
 *     sbk_event_free(event);
 *     check(sbk_operation_cancel(operation));
 *     sbk_event_free(completion(queue, 63));
 *     sbk_operation_free(operation);
 */
SBK_API sbk_status sbk_file_watch(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                  size_t session_size, const char *path, size_t path_size, int recursive);

/* The tree below a path of this machine, or the one file that it is, into a directory of the sandbox, which is made if it is
 * missing. Kept: permissions, times, symbolic and hard links, holes; it belongs to root there. Left out: sockets and devices.
 * What is there and has no counterpart stays, and so does what was done before an error or cancelling.
 * Completes with: Tree
 * Errors: not_found; permission; unsupported "trees_not_supported".
 * Example:
 *     check(sbk_tree_upload(NULL, client, 65, session, SBK_NUL, "/etc/hosts", SBK_NUL, "/root/tree", SBK_NUL));
 *     event = completion(queue, 65);
 *     check(sbk_event_integer(&number, event, "/bytes", SBK_NUL));
 *     sbk_event_free(event);
 */
SBK_API sbk_status sbk_tree_upload(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                   size_t session_size, const char *from, size_t from_size, const char *to, size_t to_size);

/* What is taken of a tree that a sandbox sends; 0: the default. */
typedef struct sbk_tree_limits {
    size_t struct_size;
    uint64_t entries;   /* at most that many; 0: 10 million */
    uint64_t bytes;     /* of files, without holes; 0: 1 TiB */
    uint64_t file_size; /* of one file, with its holes; 0: 16 TiB */
} sbk_tree_limits;

/* The tree below a path of the sandbox into a directory of this machine. Nothing outside of that directory is written, whatever
 * the sandbox sends; all belongs to this process's user, and nobody else may write it. `limits` may be NULL.
 * Completes with: Tree
 * Errors: not_found; quota "tree_too_large"; unsupported "trees_not_supported".
 * Example:
 *     sbk_tree_limits limits;
 *     memset(&limits, 0, sizeof limits);
 *     limits.struct_size = sizeof limits;
 *     limits.bytes = 1 << 20;
 *     check(sbk_tree_download(NULL, client, 66, session, SBK_NUL, "/root/tree", SBK_NUL, "from-the-sandbox", SBK_NUL, &limits));
 *     sbk_event_free(completion(queue, 66));
 */
SBK_API sbk_status sbk_tree_download(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                     size_t session_size, const char *from, size_t from_size, const char *to, size_t to_size,
                                     const sbk_tree_limits *limits);

/* ---- The end of a session --------------------------------------------------------------------------------------------------- */

/* Ends its compute and keeps its files: it can be resumed.
 * Completes with: Session
 * Errors: not_found; conflict "session_state".
 * Example:
 *     check(sbk_session_stop(NULL, client, 67, session, SBK_NUL));
 *     sbk_event_free(completion(queue, 67));
 */
SBK_API sbk_status sbk_session_stop(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                    size_t session_size);

/* Starts the compute of a stopped session again, with its files.
 * Completes with: Session
 * Errors: not_found; conflict "session_state"; unsupported "start_refused".
 * Example:
 *     check(sbk_session_resume(NULL, client, 68, session, SBK_NUL));
 *     sbk_event_free(completion(queue, 68));
 */
SBK_API sbk_status sbk_session_resume(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                      size_t session_size);

/* Ends it, and removes all that it held.
 * Completes with: Session
 * Errors: not_found.
 * Example:
 *     check(sbk_session_remove(NULL, client, 69, session, SBK_NUL));
 *     sbk_event_free(completion(queue, 69));
 *     sbk_command_free(command);
 *     sbk_command_free(shell);
 *     sbk_client_free(client);
 *     sbk_engine_free(engine);
 *     sbk_queue_free(queue);
 */
SBK_API sbk_status sbk_session_remove(sbk_operation **operation, sbk_client *client, uint64_t tag, const char *session,
                                      size_t session_size);

#ifdef __cplusplus
}
#endif

#endif /* SANDBOXKIT_H */
