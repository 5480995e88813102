// SPDX-License-Identifier: Apache-2.0
// The life of a session. Each transition is recorded before or after the provider's call so that a process that dies
// between the two is understood by reconciliation.
#pragma once

#include "engine/context.hpp"

namespace sandboxkit::engine {

// Each asks whether `who` may, once it knows the profile or session (permissions.hpp); the scopes were looked at before.
Task<SessionInfo> start_session(Context& context, Principal who, StartOptions options);
// Without `who` it is the engine's own doing, recorded as the session's principal's. `why` is kept with the stopped session, if
// it has a code.
Task<SessionInfo> stop_session(Context& context, std::optional<Principal> who, std::string session, Error why);
Task<SessionInfo> resume_session(Context& context, Principal who, std::string session);
Task<SessionInfo> remove_session(Context& context, Principal who, std::string session);

// Whether this engine or another one that lives is at the start of a session in state `starting`.
bool start_under_way(Context& context, const store::Session& session);

// Takes a session in state `starting`, owned by this engine, to running; or, when that fails, undoes it.
// Creation is idempotent, so a start of a dead engine is finished here too.
Task<SessionInfo> complete_start(Context& context, store::Session session, TimelineRecorder timeline);

// Takes a session in state `starting` to failed, with nothing left behind, or (a resume) back to stopped. What cannot be
// done now is left to reconciliation.
Task<void> undo_start(Context& context, store::Session session, Error why);

// removing -> removed.
Task<SessionInfo> complete_removal(Context& context, store::Session session);

// Lines of the log: of a session that the engine itself stopped or found ended, and of one whose sandbox is gone.
void log_stopped(const Context& context, const store::Session& session, const Error& why);
void log_lost(const Context& context, const store::Session& session);

// The in-sandbox API of a running session, for one who may use it; conflict "session_not_running" otherwise. Counts as use.
Task<std::shared_ptr<envd::Client>> client_of(Context& context, Principal who, std::string session);

// After a call into the sandbox failed: whether the session was stopped or removed meanwhile, or its compute has ended by
// itself (then it is recorded as stopped), and the error says so; otherwise the error as it was.
Task<void> explain_failure(Context& context, std::string session, Error error);

// When a session that is used now has been idle for too long. A limit shorter than a few rounds of housekeeping is
// lengthened to that: another engine must not see the deadline of a session that is in use pass before it is put off.
Timestamp idle_deadline_after(Timestamp now, std::chrono::seconds idle_limit);

// Puts off the idle deadline, if there is one, at most once a second.
void touch(Context& context, const store::Session& session);

} // namespace sandboxkit::engine
