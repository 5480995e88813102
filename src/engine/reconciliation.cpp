// SPDX-License-Identifier: Apache-2.0
#include "engine/reconciliation.hpp"

#include "async/within.hpp"
#include "engine/git_access.hpp"
#include "engine/hosts.hpp"
#include "engine/sessions.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>

#include <algorithm>
#include <set>

namespace sandboxkit::engine {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

static constexpr auto housekeeping_interval = 1s;
static constexpr int reconcile_every = 30; // housekeeping rounds
static constexpr auto answer_limit = 10s;  // of a host that is asked whether it is there

namespace {

std::string label(const std::map<std::string, std::string>& labels, const char* name) {
    const auto found = labels.find(name);
    return found == labels.end() ? "" : found->second;
}

// Whether a live engine is at work on the job: its sandboxes and images are in use although nothing records them yet.
bool job_is_alive(Context& context, store::Store& store, const std::string& id) {
    auto job = store.job(id);
    return job && job->info.state == JobState::running && !job->lease_owner.empty() && !context.lock->is_dead(job->lease_owner);
}

// Which of these sandboxes nobody answers for.
Result<std::vector<std::string>> orphans(Context& context, store::Store& store, const std::vector<SandboxInfo>& sandboxes) {
    std::vector<std::string> found;
    for (const auto& sandbox : sandboxes) {
        const auto session = label(sandbox.labels, label_session);
        bool needed = false; // a row is made before its sandbox, and says it has ended before or after it goes
        if (!session.empty()) {
            auto row = store.session(session);
            if (!row && row.error().kind != ErrorClass::not_found) return row.error();
            needed = row && row->state != SessionState::removed && row->state != SessionState::failed;
        } else {
            needed = job_is_alive(context, store, label(sandbox.labels, label_job));
        }
        if (!needed) found.push_back(sandbox.id);
    }
    return found;
}

// After something that had to be finished, and so could not be cancelled: what comes next can. (A cancellation that fell in
// between is gone, but that of a closing engine is in Context::closing.)
auto cancellable_again() {
    return asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
}

// `compute` is the state of the session's sandbox; none: it is gone.
Task<void> reconcile_session(Context& context, store::Session session, std::optional<SandboxState> compute) {
    switch (session.state) {
    case SessionState::starting: {
        if (start_under_way(context, session)) break;
        const SessionCount at_it(context, &Context::starting, session.id);
        if (!at_it.first()) break;
        store::SessionChange take;
        take.engine = context.engine_id();
        take.expected_engine = session.engine; // the dead one: of several that find it, one takes it
        auto taken = co_await context.in_store(
            [&](store::Store& store) { return store.change_session(session.id, SessionState::starting, take); });
        if (!taken) break;
        if (taken->client_token.empty() && taken->sandbox_id.empty()) {
            Error why{ErrorClass::unavailable,
                      "start_interrupted",
                      "the start was interrupted before anybody was told of the session",
                      "start another; with a client token an interrupted start is finished, and the same token finds it",
                      "",
                      {}};
            (void)co_await undo_start(context, std::move(*taken), std::move(why));
            break;
        }
        TimelineRecorder timeline;
        (void)co_await complete_start(context, std::move(*taken), std::move(timeline));
        break;
    }
    case SessionState::running:
        if (compute == SandboxState::running) {
            (void)co_await adopt_git_access(context, std::move(session)); // one that does not answer is asked again
        } else {
            stop_git_access(context, session.id);
            Error why{ErrorClass::unavailable,
                      "compute_ended",
                      "the session's compute ended while nobody watched",
                      compute ? "resume the session" : "its sandbox is gone: start a new session",
                      "",
                      {}};
            store::SessionChange change;
            change.error = store::to_json(why);
            change.idle_deadline.emplace();
            change.deadline.emplace();
            const auto to = compute ? SessionState::stopped : SessionState::removing;
            // Looked at again inside the transaction: a resume may have happened since the list was made.
            auto moved = co_await context.in_store([&](store::Store& store) {
                return store.move_session(session.id, SessionState::running, to, change, context.now());
            });
            if (moved && to == SessionState::stopped) log_stopped(context, *moved, why);
            if (moved && to == SessionState::removing) {
                log_lost(context, *moved);
                (void)co_await complete_removal(context, std::move(*moved));
            }
        }
        break;
    case SessionState::stopped:
        if (!compute) {
            store::SessionChange change;
            change.error = store::to_json(
                {ErrorClass::data_loss, "sandbox_lost", "the stopped session's sandbox is gone", "start a new session", "", {}});
            auto moved = co_await context.in_store([&](store::Store& store) {
                return store.move_session(session.id, SessionState::stopped, SessionState::removing, change, context.now());
            });
            if (moved) {
                log_lost(context, *moved);
                (void)co_await complete_removal(context, std::move(*moved));
            }
        }
        break;
    case SessionState::removing: (void)co_await complete_removal(context, std::move(session)); break;
    case SessionState::removed:
    case SessionState::failed: break;
    }
    co_return Result<void>{};
}

// What cannot be removed now does not keep the rest: all of it is tried, and the first error told.
void keep_first(Result<void>& first, const Result<void>& next) {
    if (first) first = next;
}

// A host as it is being reconciled.
struct Place {
    std::string host;
    std::shared_ptr<Provider> provider;

    // Several hosts may be one daemon. What was made before hosts were told apart is of the one named after its provider.
    [[nodiscard]] bool made(const std::map<std::string, std::string>& labels) const {
        const auto found = labels.find(label_host);
        return (found == labels.end() ? provider->name() : found->second) == host;
    }
};

// Lines of the log. `what` is "sandbox" or "image".
void log_orphan(const Context& context, const Place& place, const std::string& what, const std::string& id,
                const Result<void>& removed) {
    LogFields fields{{"provider", place.provider->name()}, {"host", place.host}, {what, id}};
    if (removed)
        context.log(LogLevel::warning, what + ".orphan_removed", "the " + what + " of a dead process was removed",
                    std::move(fields));
    else if (removed.error().kind != ErrorClass::cancelled)
        context.log(LogLevel::error, what + ".orphan_kept", "the " + what + " of a dead process could not be removed",
                    with_error(std::move(fields), removed.error()));
}

// Once for each trouble of a host, however often it is met.
Error told(Context& context, const Place& place, Error why) {
    if (why.kind != ErrorClass::cancelled && std::exchange(context.host_troubles[place.host], why.code) != why.code)
        context.log(LogLevel::error, "reconciliation.failed", "what a host has could not be compared with the store",
                    with_error({{"provider", place.provider->name()}, {"host", place.host}}, why));
    return why;
}

struct UnusedImage {
    std::string id;
    bool orphan = false; // else it was a snapshot once
};

Task<void> reconcile_images(Context& context, const Place& place) {
    auto images = co_await place.provider->list_images();
    if (!images) co_return told(context, place, images.error());
    auto garbage = co_await context.in_store([&](store::Store& store) -> Result<std::vector<UnusedImage>> {
        std::vector<UnusedImage> unused;
        // The jobs before the images in use: one that succeeds in between has its image among these.
        std::set<std::string> being_made;
        for (const auto& image : *images)
            if (job_is_alive(context, store, label(image.labels, label_job))) being_made.insert(image.id);
        auto used = store.images_in_use(place.host);
        if (!used) return used.error();
        for (const auto& image : *images) {
            if (label(image.labels, label_store) != context.store_id || !place.made(image.labels)) continue;
            if (used->contains(image.id)) {
                auto marked = store.set_stale(place.host, image.id, image.stale);
                if (!marked) return marked.error();
            } else if (!being_made.contains(image.id)) {
                auto job = store.job(label(image.labels, label_job));
                unused.push_back({image.id, !job || job->info.state != JobState::succeeded});
            }
        }
        return unused;
    });
    if (!garbage) co_return told(context, place, garbage.error());
    Result<void> first_error;
    for (const auto& image : *garbage) {
        auto removed = co_await place.provider->remove_image(image.id);
        if (!removed && removed.error().kind == ErrorClass::conflict) continue; // sandboxes use it
        if (image.orphan) log_orphan(context, place, "image", image.id, removed);
        keep_first(first_error, removed);
    }
    co_return first_error;
}

Task<void> sweep_checkouts(Context& context) {
    auto swept = co_await async::blocking(context.store_pool, [&](std::stop_token) -> Result<void> {
        std::error_code ec;
        for (const auto& entry : fs::directory_iterator(context.state_directory / "builds", ec))
            if (!job_is_alive(context, *context.store, entry.path().stem())) { // <job>.<attempt>
                std::error_code ignored;
                fs::remove_all(entry.path(), ignored);
            }
        context.lock->sweep();
        return {};
    });
    co_return swept;
}

Task<void> reconcile_host(Context& context, std::string host) {
    auto found = co_await context.provider(host);
    if (!found && found.error().code == "no_host") { // removed since it was listed
        context.host_troubles.erase(host);
        co_return Result<void>{};
    }
    if (!found) co_return found.error();
    const Place place{std::move(host), std::move(*found)};
    Provider& provider = *place.provider;
    auto asking = capabilities_of(context, place.host, place.provider);
    auto can = co_await async::within<Capabilities>(context.executor(), answer_limit, std::move(asking));
    if (!can) co_return told(context, place, can.error());
    std::map<std::string, std::string> ours{{label_store, context.store_id}};
    // The rows are read after the list: a sandbox on the list has its row already.
    auto sandboxes = co_await provider.list(ours);
    if (!sandboxes) co_return told(context, place, sandboxes.error());
    std::erase_if(*sandboxes, [&](const SandboxInfo& sandbox) { return !place.made(sandbox.labels); });
    auto sessions = co_await context.in_store([](store::Store& store) { return store.sessions(false); });
    if (!sessions) co_return told(context, place, sessions.error());
    Result<void> first_error;
    for (auto& session : *sessions) {
        co_await cancellable_again();
        if (context.closing) co_return cancelled_error();
        if (session.host != place.host) continue;
        const auto listed = std::find_if(sandboxes->begin(), sandboxes->end(),
                                         [&](const SandboxInfo& s) { return label(s.labels, label_session) == session.id; });
        std::optional<SandboxState> compute;
        if (listed != sandboxes->end()) compute = listed->state;
        // The list is older than the row: what a session misses by it may have come since, by a start or a resume.
        if ((session.state == SessionState::running && compute != SandboxState::running) ||
            (session.state == SessionState::stopped && !compute)) {
            auto sandbox = co_await provider.inspect(session.sandbox_id);
            if (!sandbox && sandbox.error().kind != ErrorClass::not_found) continue; // nobody knows now
            compute = sandbox ? std::optional(sandbox->state) : std::nullopt;
        }
        auto done = co_await reconcile_session(context, std::move(session), compute);
        keep_first(first_error, done);
    }
    auto lost = co_await context.in_store([&](store::Store& store) { return orphans(context, store, *sandboxes); });
    if (!lost) co_return told(context, place, lost.error());
    for (const auto& id : *lost) {
        auto destroyed = co_await provider.destroy(id);
        log_orphan(context, place, "sandbox", id, destroyed);
        keep_first(first_error, destroyed);
    }
    auto images = co_await reconcile_images(context, place);
    keep_first(first_error, images);
    if (first_error && context.host_troubles.erase(place.host) != 0)
        context.log(LogLevel::info, "reconciliation.resumed", "what a host has can be compared with the store again",
                    {{"provider", provider.name()}, {"host", place.host}});
    co_return first_error;
}

} // namespace

// Their names. Where nothing was ever done there is nothing to look after.
static Result<std::vector<std::string>> hosts_to_reconcile(Context& context, store::Store& store, Where where) {
    std::vector<std::string> names;
    if (where == Where::at_hand) {
        for (const auto& managed : context.hosts.managed())
            if (managed.provider && *managed.provider) names.push_back(managed.definition.name);
        return names;
    }
    auto seen = store.host_identities();
    if (!seen) return seen.error();
    for (const auto& managed : context.hosts.managed())
        if (!managed.provider && seen->contains(managed.definition.name)) names.push_back(managed.definition.name);
    auto registered = store.hosts();
    if (!registered) return registered.error();
    for (auto& host : *registered) names.push_back(std::move(host.name));
    return names;
}

// All at once; cancelled together.
static Task<void> reconcile_hosts(Context& context, std::vector<std::string> names) {
    asio::steady_timer wake(context.io);
    Result<void> first_error;
    std::size_t left = names.size();
    std::vector<Operation<void>> operations;
    for (auto& name : names) {
        auto& operation =
            operations.emplace_back(async::spawn<void>(context.executor(), reconcile_host(context, std::move(name))));
        operation.on_complete([&](Result<void> done) { // on the io thread, like this coroutine
            keep_first(first_error, done);
            if (--left == 0) wake.cancel();
        });
    }
    while (left > 0) {
        boost::system::error_code ec;
        wake.expires_at(asio::steady_timer::time_point::max());
        co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        auto state = co_await asio::this_coro::cancellation_state;
        if (left == 0 || state.cancelled() == asio::cancellation_type::none) continue;
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        for (auto& operation : operations) operation.cancel();
    }
    co_return first_error;
}

Task<void> reconcile(Context& context, Where where) {
    auto names = co_await context.in_store([&](store::Store& store) { return hosts_to_reconcile(context, store, where); });
    if (!names) co_return names.error();
    auto first_error = co_await reconcile_hosts(context, std::move(*names));
    if (where == Where::at_hand) {
        auto swept = co_await sweep_checkouts(context);
        keep_first(first_error, swept);
    }
    co_return first_error;
}

static bool is_elsewhere(const Context& context, const std::string& host) {
    const auto* managed = context.hosts.managed(host);
    return !managed || !managed->provider;
}

static bool is_busy(Context& context, const std::string& session) {
    std::lock_guard guard(context.sessions_mutex);
    return context.busy.contains(session);
}

// Why the session is to be stopped now, if it is.
static std::optional<Error> limit_reached(Context& context, const store::Session& session) {
    const auto now = context.now();
    if (session.state != SessionState::running) return {};
    if (session.deadline && *session.deadline <= now)
        return Error{ErrorClass::timeout, "time_limit", "the session reached its time limit", "resume it to go on", "", {}};
    if (session.idle_deadline && *session.idle_deadline <= now && !is_busy(context, session.id))
        return Error{ErrorClass::timeout, "idle_limit", "the session was idle for too long", "resume it to go on", "", {}};
    return {};
}

Task<void> enforce_time_limits(Context& context, Where where) {
    auto sessions = co_await context.in_store([](store::Store& store) { return store.sessions(false); });
    if (!sessions) co_return sessions.error();
    for (const auto& listed : *sessions) {
        co_await cancellable_again();
        if (context.closing) co_return cancelled_error();
        if (is_elsewhere(context, listed.host) != (where == Where::elsewhere)) continue;
        if (!is_busy(context, listed.id) && !limit_reached(context, listed)) continue;
        // The stops before this one took their time: it may have been used, or stopped and resumed, since the list was made.
        auto session = co_await context.in_store([&](store::Store& store) {
            auto row = store.session(listed.id);
            if (row && is_busy(context, row->id)) touch(context, *row);
            return row;
        });
        if (!session) continue;
        if (auto why = limit_reached(context, *session))
            (void)co_await stop_session(context, std::nullopt, session->id, std::move(*why));
    }
    co_return Result<void>{};
}

Task<void> run_housekeeping(Context& context, Where where) {
    auto& wake = where == Where::at_hand ? context.housekeeping_wake : context.elsewhere_wake;
    // At hand, the engine did it while it was opened.
    for (int round = where == Where::at_hand ? 1 : 0; !context.closing; ++round) {
        if (round > 0) {
            boost::system::error_code ec;
            wake.expires_after(housekeeping_interval);
            co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
        if (context.closing) break;
        co_await cancellable_again();
        // Errors are of the moment: the next round tries again.
        (void)co_await enforce_time_limits(context, where);
        if (round % reconcile_every == 0) (void)co_await reconcile(context, where);
    }
    co_return Result<void>{};
}

} // namespace sandboxkit::engine
