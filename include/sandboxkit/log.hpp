// SPDX-License-Identifier: Apache-2.0
// What an operator wants to know of an engine, line by line: what became of jobs and sessions, and what was put right.
//
// event                   level    when, and its fields
// engine.opened           info     engine, store
// engine.closed           info     engine
// provider.unusable       warning  the engine opens on a host that the provider does not work on: provider, class, code
// job.started             info     a snapshot is being made: job, profile, version, host
// job.taken_over          warning  again, as who made it has died: job, profile, version, host, attempt
// job.succeeded           info     job, profile, version, host, milliseconds
// job.failed              warning  job, profile, version, host, phase, class, code
// job.cancelled           info     job, profile, version, host
// session.started         info     session, profile, version, host, milliseconds
// session.resumed         info     session, profile, version, host, milliseconds
// session.start_failed    warning  its start or resume (info: it was cancelled): session, profile, version, host, class, code
// session.stopped         info     by a limit (warning: its compute was found ended): session, profile, version, host, reason
// session.lost            error    its sandbox was found gone: session, profile, version, host
// session.removed         info     session, profile, version, host
// sandbox.orphan_removed  warning  one that a dead process left: provider, host, sandbox
// sandbox.orphan_kept     error    it could not be removed, and is tried again: provider, host, sandbox, class, code
// image.orphan_removed    warning  provider, host, image
// image.orphan_kept       error    provider, host, image, class, code
// git.unavailable         warning  the git of a session cannot be answered: session, class, code
// git.not_recorded        error    the activity log did not take what it did: session, class, code
// credential.kept         warning  it could not be given back: purpose, host, profile, job or session, class, code
// reconciliation.failed   error    a host cannot be asked what it has; once until its code changes: provider, host, class, code
// reconciliation.resumed  info     it can be asked again: provider, host
// mirrors.evicted         info     they took more than the limit: mirrors, bytes (warning: they could not be removed: class, code)
// host.added              info     host, provider
// host.removed            info     with what was given up there: host, sessions, snapshots
// host.accepted           warning  taken as it is now, and what was there before given up: host, sessions, snapshots
//
// `class` and `code` are those of the Error; `reason` is "idle_limit", "time_limit" or "compute_ended". More events and fields
// may come; a name is never used for something else.
#pragma once

#include <sandboxkit/clock.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

enum class LogLevel : std::uint8_t {
    debug,   // of use only to who looks for a fault
    info,    // as it should be
    warning, // not as it should be, and no work for the operator yet
    error,   // something stays wrong until somebody sees to it
};

constexpr std::string_view to_string(LogLevel level) noexcept {
    switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
    }
    return "error";
}

// Holds ids, names, numbers and codes: never what is in a document, the value of a variable, output of a command, or a secret.
struct LogLine {
    LogLevel level = LogLevel::info;
    Timestamp at{};
    std::string event;                                       // stable, "job.failed"; the table above has every one
    std::string message;                                     // one line for people
    std::vector<std::pair<std::string, std::string>> fields; // {"job", "job_..."}

    friend bool operator==(const LogLine&, const LogLine&) = default;
};

// Called on any thread of the engine, or the caller's, several at once; must not block, call the engine, or throw. An exception
// out of it is swallowed.
using LogHandler = std::function<void(const LogLine&)>;

} // namespace sandboxkit
