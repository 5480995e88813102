// SPDX-License-Identifier: Apache-2.0
#include "engine/sessions.hpp"

#include "engine/git_access.hpp"
#include "engine/hosts.hpp"
#include "engine/permissions.hpp"
#include "engine/publishing.hpp"
#include "engine/records.hpp"

#include <sandboxkit/managed_variables.hpp>
#include <sandboxkit/timeline_format.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>

#include <algorithm>

namespace sandboxkit::engine {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Of a version without a usable snapshot on the host. If none was ever asked for there, it is now.
Error not_ready(Context& context, store::Store& store, const store::Version& version, const Recipe& recipe,
                const std::string& host, const Principal& who) {
    const store::Snapshot* const snapshot = version.on(host);
    std::string job = snapshot ? snapshot->last_job.value_or("") : "";
    const auto state = snapshot ? snapshot->last_job_state : std::nullopt;
    std::string why, remedy = "wait for its snapshot job " + job + ", then start again";
    if (state == JobState::failed) {
        why = ": its last build failed";
        remedy = "see the log of its snapshot job " + job + ", mend the profile and publish again, or refresh the snapshot";
    } else if (state == JobState::cancelled) {
        why = ": its last build was cancelled";
        remedy = "refresh the snapshot";
    } else if (job.empty()) {
        if (auto fits = check_host_of(context, recipe, host); !fits) return fits.error();
        auto queued = store.enqueue_snapshot_job(context.ids->next("job"), version.profile, version.number, host,
                                                 JobTrigger::manual_refresh, actor_of(who), context.now());
        if (!queued && queued.error().code != "job_active") return queued.error();
        context.wake_builders();
        why = " yet; its build is queued now";
        remedy = queued ? "wait for the snapshot job " + queued->info.id + ", then start again" : queued.error().message;
    } else {
        why = " yet";
    }
    return {ErrorClass::conflict,
            "snapshot_not_ready",
            "version " + std::to_string(version.number) + " has no usable snapshot on the host \"" + host + '"' + why,
            remedy,
            "",
            {}};
}

Error not_running(const store::Session& session) {
    std::string message = "the session is " + std::string(to_string(session.state));
    if (auto why = store::error_from_json(session.error); why && !session.error.empty()) message += ": " + why->message;
    return {ErrorClass::conflict,
            "session_not_running",
            std::move(message),
            session.state == SessionState::stopped ? "resume it first" : "start another session",
            "",
            {}};
}

struct Begun {
    store::Store::Created row;
    std::string recipe;
};

Result<Begun> begin_session(Context& context, store::Store& store, const std::string& id, const Principal& who,
                            const StartOptions& options) {
    auto known = store.profile(options.profile);
    if (!known) return known.error();
    auto permitted = check_profile(context, Action::start_session, who, options.profile);
    if (!permitted) return permitted.error(); // before a word on its versions and jobs
    std::optional<store::Version> version;
    if (options.version) {
        auto named = store.version(options.profile, *options.version);
        if (!named) return named.error();
        version = std::move(*named);
    } else {
        auto newest = store.newest_usable_version(options.profile);
        if (!newest) return newest.error();
        version = std::move(*newest);
    }
    if (!version) {
        auto all = store.versions(options.profile);
        if (!all) return all.error();
        if (all->empty())
            return Error{
                ErrorClass::conflict, "not_published", "the profile has no published version", "publish it first", "", {}};
        version = std::move(all->back());
    }
    auto recipe = stored_recipe(version->recipe);
    if (!recipe) return recipe.error();
    auto host = host_of(store, *recipe);
    if (!host) return host.error();
    const store::Snapshot* const snapshot = version->on(*host);
    if (!snapshot || !snapshot->image) return not_ready(context, store, *version, *recipe, *host, who);
    store::NewSession row;
    row.id = id;
    row.profile = options.profile;
    row.version = version->number;
    row.actor = actor_of(who);
    row.client_token = options.client_token;
    row.host = *host;
    row.provider = snapshot->image->provider;
    row.image_id = snapshot->image->id;
    row.creation_token = row.id;
    row.engine = context.engine_id();
    row.idle_limit = options.idle_limit;
    row.time_limit = options.time_limit;
    row.now = context.now();
    auto created = store.create_session(row);
    if (!created) return created.error();
    const store::Session& session = created->session;
    if (!created->created && (session.profile != options.profile || (options.version && session.version != *options.version) ||
                              session.idle_limit != options.idle_limit || session.time_limit != options.time_limit))
        return Error{ErrorClass::conflict,
                     "client_token_reused",
                     "the client token was used for another start, of session \"" + session.id + "\"",
                     "use a token of its own for each start, and the same one only to repeat it unchanged",
                     "",
                     {}};
    return Begun{std::move(*created), version->recipe};
}

// The same client token again: the first start's session, when its start has ended.
Task<SessionInfo> join_start(Context& context, store::Session session) {
    asio::steady_timer timer(context.io);
    while (session.state == SessionState::starting) {
        boost::system::error_code ec;
        timer.expires_after(20ms);
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return cancelled_error();
        auto row = co_await context.in_store([&](store::Store& store) { return store.session(session.id); });
        if (!row) co_return row.error();
        session = std::move(*row);
    }
    auto info = to_info(session);
    if (info && info->state == SessionState::failed && info->error) co_return *info->error;
    co_return info;
}

Task<void> destroy_sandboxes(Provider& provider, const std::string& session) {
    std::map<std::string, std::string> labels{{label_session, session}};
    auto found = co_await provider.list(std::move(labels));
    if (!found) co_return found.error();
    Result<void> first_error; // one that cannot go does not keep the others
    for (const auto& sandbox : *found) {
        auto destroyed = co_await provider.destroy(sandbox.id);
        if (!destroyed && first_error) first_error = destroyed.error();
    }
    co_return first_error;
}

struct Launched {
    std::string sandbox_id;
    std::shared_ptr<envd::Client> client;
    std::shared_ptr<GitAccess> git; // null: the profile has no repository for it
    std::vector<std::string> notes;
};

// The late-bound steps of the plan.
Task<Launched> launch(Context& context, const store::Session& session, TimelineRecorder& timeline) {
    auto version =
        co_await context.in_store([&](store::Store& store) { return store.version(session.profile, session.version); });
    if (!version) co_return version.error();
    auto recipe = stored_recipe(version->recipe);
    if (!recipe) co_return recipe.error();
    const store::Snapshot* const snapshot = version->on(session.host);
    auto found = co_await context.provider(session.host);
    if (!found) co_return found.error();
    const auto provider = *found;
    auto permitted = co_await start_gate(context, *recipe, session.host);
    if (!permitted) co_return permitted.error();

    Launched launched;
    launched.sandbox_id = session.sandbox_id;
    if (launched.sandbox_id.empty()) {
        timeline.step("provider.create");
        CreateRequest create;
        create.token = session.creation_token;
        create.image_id = session.image_id;
        create.labels = {{label_store, context.store_id},
                         {label_host, session.host},
                         {label_engine, context.engine_id()},
                         {label_session, session.id}};
        create.limits = limits_of(recipe->resources);
        create.egress = recipe->network.egress;
        create.hostname = "sandbox";
        for (const auto& repository : recipe->repositories)
            if (repository.read_only) create.read_only_paths.push_back(repository.mount_path);
        auto created = co_await provider->create(std::move(create));
        if (!created) co_return created.error();
        launched.sandbox_id = created->id;
        for (const auto& limit : created->unenforced)
            launched.notes.push_back("this host does not enforce the limit on " + limit);
    }
    if (snapshot && snapshot->stale)
        launched.notes.emplace_back("the snapshot is stale: an ingredient without a fixed digest changed since it was made");
    timeline.step("provider.start");
    auto started = co_await provider->start(launched.sandbox_id);
    if (!started) co_return started.error();

    timeline.step("guest.init");
    auto endpoint = co_await provider->endpoint(launched.sandbox_id);
    if (!endpoint) co_return endpoint.error();
    launched.client = envd::Client::make(context.executor(), std::move(*endpoint));
    envd::InitRequest init;
    auto manifest =
        !snapshot || snapshot->manifest.empty() ? Result<Manifest>(Manifest{}) : store::manifest_from_json(snapshot->manifest);
    if (!manifest) co_return manifest.error();
    init.environment = managed_variables(*recipe, *manifest, session.id);
    if (const auto repositories = GitProxy::repositories_of(*recipe); !repositories.empty()) {
        launched.git = std::make_shared<GitAccess>(context, session, *recipe, launched.client);
        auto port = co_await GitAccess::open(launched.git);
        if (!port) co_return port.error();
        if (*port) {
            auto settings = git::git_environment(recipe->environment, repositories, **port);
            if (!settings) co_return settings.error();
            init.environment.merge(*settings);
        } else {
            launched.notes.emplace_back("git in the session cannot fetch and push through the engine: its sandbox brings no "
                                        "connections");
        }
    }
    init.environment.insert(recipe->environment.begin(), recipe->environment.end());
    const auto primary = std::find_if(recipe->repositories.begin(), recipe->repositories.end(),
                                      [](const Repository& r) { return r.role == RepositoryRole::primary; });
    if (primary != recipe->repositories.end()) init.default_workdir = primary->mount_path;
    auto initialized = co_await launched.client->init(std::move(init));
    if (!initialized) co_return initialized.error();
    co_return launched;
}

LogFields fields_of(const store::Session& session) {
    return {{"session", session.id},
            {"profile", session.profile},
            {"version", std::to_string(session.version)},
            {"host", session.host}};
}

void log_start(const Context& context, const store::Session& session, bool resumed, const Timeline& timeline) {
    LogFields fields = fields_of(session);
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(total_of(timeline));
    fields.emplace_back("milliseconds", std::to_string(taken.count()));
    if (resumed)
        context.log(LogLevel::info, "session.resumed", "a session was resumed", std::move(fields));
    else
        context.log(LogLevel::info, "session.started", "a session was started", std::move(fields));
}

} // namespace

static bool out_of_range(const std::optional<std::chrono::seconds>& limit) {
    return limit && (*limit < 1s || *limit > std::chrono::years(100));
}

Task<SessionInfo> start_session(Context& context, Principal who, StartOptions options) {
    TimelineRecorder timeline;
    timeline.step("store.begin");
    if (options.client_token.size() > 200)
        co_return Error{ErrorClass::invalid, "client_token_too_long", "a client token has at most 200 bytes", "", "", {}};
    if (out_of_range(options.idle_limit) || out_of_range(options.time_limit))
        co_return Error{ErrorClass::invalid,
                        "limit_out_of_range",
                        "a session's time limits must be from one second to 100 years",
                        "leave a limit out for none",
                        "",
                        {}};
    const std::string id = context.ids->next("ses");
    const SessionCount at_it(context, &Context::starting, id); // before the row, for reconciliation
    auto begun = co_await context.in_store([&](store::Store& store) {
        auto tried = begin_session(context, store, id, who, options);
        // A refresh put another image in place between the two: take that one.
        while (!tried && tried.error().code == "image_replaced") tried = begin_session(context, store, id, who, options);
        return tried;
    });
    if (!begun) co_return begun.error();
    if (!begun->row.created) {
        auto joined = co_await join_start(context, std::move(begun->row.session));
        co_return joined;
    }
    auto info = co_await complete_start(context, std::move(begun->row.session), std::move(timeline));
    co_return info;
}

Task<SessionInfo> complete_start(Context& context, store::Session session, TimelineRecorder timeline) {
    const bool resuming = !session.sandbox_id.empty();
    auto launched = co_await launch(context, session, timeline);
    auto steps = timeline.finish();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation()); // what follows must happen

    if (!launched) {
        const Error error = launched.error();
        (void)co_await undo_start(context, std::move(session), error);
        co_return error;
    }

    const auto now = context.now();
    store::SessionChange change;
    change.sandbox_id = launched->sandbox_id;
    change.timeline = store::to_json(steps);
    if (!resuming) change.notes = store::to_json(launched->notes);
    change.error = "";
    change.idle_deadline = session.idle_limit ? std::optional(idle_deadline_after(now, *session.idle_limit)) : std::nullopt;
    change.deadline = session.time_limit ? std::optional(now + *session.time_limit) : std::nullopt;
    auto running = co_await context.in_store([&](store::Store& store) {
        return store.move_session(session.id, SessionState::starting, SessionState::running, change, now);
    });
    if (!running) {
        const Error error = running.error();
        // A session that is not this engine's to record is not its to undo either.
        if (error.kind != ErrorClass::conflict) (void)co_await undo_start(context, std::move(session), error);
        co_return error;
    }
    {
        std::lock_guard guard(context.sessions_mutex);
        context.clients.insert_or_assign(session.id, launched->client);
    }
    if (launched->git) {
        stop_git_access(context, session.id); // of before it was stopped elsewhere
        context.git_access.insert_or_assign(session.id, launched->git);
        launched->git->start();
    }
    log_start(context, *running, resuming, steps);
    co_return to_info(*running);
}

Task<void> undo_start(Context& context, store::Session session, Error why) {
    const bool resuming = !session.sandbox_id.empty();
    auto provider = co_await context.provider(session.host);
    if (!provider) co_return provider.error();
    if (resuming) {
        auto stopped = co_await (*provider)->stop(session.sandbox_id);
        if (!stopped) co_return stopped.error();
    } else {
        (void)co_await destroy_sandboxes(**provider, session.id); // of a failed session, reconciliation destroys what resists
    }
    store::SessionChange change;
    change.error = store::to_json(why);
    auto moved = co_await context.in_store([&](store::Store& store) {
        return store.move_session(session.id, SessionState::starting, resuming ? SessionState::stopped : SessionState::failed,
                                  change, context.now());
    });
    if (!moved) co_return moved.error();
    context.log(why.kind == ErrorClass::cancelled ? LogLevel::info : LogLevel::warning, "session.start_failed",
                resuming ? "a session could not be resumed" : "a session could not be started",
                with_error(fields_of(*moved), why));
    co_return Result<void>{};
}

bool start_under_way(Context& context, const store::Session& session) {
    if (session.engine != context.engine_id()) return !context.lock->is_dead(session.engine);
    std::lock_guard guard(context.sessions_mutex);
    return context.starting.contains(session.id);
}

void log_stopped(const Context& context, const store::Session& session, const Error& why) {
    LogFields fields = fields_of(session);
    fields.emplace_back("reason", why.code);
    if (why.code == "compute_ended")
        context.log(LogLevel::warning, "session.stopped", "a session was found ended", std::move(fields));
    else
        context.log(LogLevel::info, "session.stopped", "a session reached its limit and was stopped", std::move(fields));
}

void log_lost(const Context& context, const store::Session& session) {
    context.log(LogLevel::error, "session.lost", "a session's sandbox is gone", fields_of(session));
}

static void forget_client(Context& context, const std::string& session) {
    std::lock_guard guard(context.sessions_mutex);
    context.clients.erase(session);
}

// The session, if there is one and `who` may do this to it.
static Result<store::Session> permitted_session(Context& context, store::Store& store, Action action, const Principal& who,
                                                const std::string& session) {
    auto found = store.session(session);
    if (!found) return found;
    auto permitted = check_session(context, action, who, *found);
    if (!permitted) return permitted.error();
    return found;
}

Task<SessionInfo> stop_session(Context& context, std::optional<Principal> who, std::string session, Error why) {
    auto row = co_await context.in_store([&](store::Store& store) {
        return who ? permitted_session(context, store, Action::stop_session, *who, session) : store.session(session);
    });
    if (!row) co_return row.error();
    if (row->state == SessionState::stopped) co_return to_info(*row);
    if (row->state != SessionState::running) co_return not_running(*row);
    auto provider = co_await context.provider(row->host);
    if (!provider) co_return provider.error();
    const SessionCount at_it(context, &Context::stopping, session);
    forget_client(context, session);
    stop_git_access(context, session);
    auto stopped = co_await (*provider)->stop(row->sandbox_id);
    if (!stopped) co_return stopped.error();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    store::SessionChange change;
    if (who) change.actor = actor_of(*who);
    change.error = why.code.empty() ? "" : store::to_json(why);
    change.idle_deadline.emplace();
    change.deadline.emplace();
    bool ours = false;
    auto moved = co_await context.in_store([&](store::Store& store) {
        auto recorded = store.move_session(session, SessionState::running, SessionState::stopped, change, context.now());
        ours = recorded.has_value();
        if (ours || recorded.error().kind != ErrorClass::conflict) return recorded;
        auto other = store.session(session); // two may stop at once: the other one's record is as good
        return other && other->state == SessionState::stopped ? other : recorded;
    });
    if (!moved) co_return moved.error();
    if (ours && !who) log_stopped(context, *moved, why);
    co_return to_info(*moved);
}

Task<SessionInfo> resume_session(Context& context, Principal who, std::string session) {
    TimelineRecorder timeline;
    timeline.step("store.begin");
    const SessionCount at_it(context, &Context::starting, session);
    auto row = co_await context.in_store([&](store::Store& store) -> Result<store::Session> {
        auto found = permitted_session(context, store, Action::resume_session, who, session);
        if (!found || found->state == SessionState::running) return found;
        if (found->state != SessionState::stopped)
            return Error{ErrorClass::conflict,
                         "session_not_stopped",
                         "the session is " + std::string(to_string(found->state)),
                         "only a stopped session can be resumed",
                         "",
                         {}};
        store::SessionChange change;
        change.actor = actor_of(who);
        change.engine = context.engine_id();
        return store.move_session(session, SessionState::stopped, SessionState::starting, change, context.now());
    });
    if (!row) co_return row.error();
    if (row->state == SessionState::running) co_return to_info(*row);
    auto info = co_await complete_start(context, std::move(*row), std::move(timeline));
    co_return info;
}

Task<SessionInfo> remove_session(Context& context, Principal who, std::string session) {
    const auto begin = [&](store::Store& store) -> Result<store::Session> {
        auto found = permitted_session(context, store, Action::remove_session, who, session);
        if (!found) return found;
        if (found->state == SessionState::failed || found->state == SessionState::removed ||
            found->state == SessionState::removing)
            return found;
        if (found->state == SessionState::starting && start_under_way(context, *found))
            return Error{ErrorClass::conflict,
                         "session_starting",
                         "the session is still starting",
                         "wait for its start or cancel it",
                         "",
                         {}};
        store::SessionChange change;
        change.actor = actor_of(who);
        change.engine = context.engine_id();
        return store.move_session(session, found->state, SessionState::removing, change, context.now());
    };
    auto row = co_await context.in_store(begin);
    if (!row && row.error().code == "disk_full") {
        // The record comes first, so that a crash cannot lose the request. On a full disk the removal is what makes room
        // for the record; killed in between, reconciliation finds a session without its sandbox and ends it.
        const auto full = co_await context.in_store([&](store::Store& store) { return store.session(session); });
        if (!full) co_return full.error();
        auto provider = co_await context.provider(full->host);
        if (!provider) co_return provider.error();
        auto destroyed = co_await destroy_sandboxes(**provider, session);
        if (!destroyed) co_return destroyed.error();
        row = co_await context.in_store(begin);
    }
    if (!row) co_return row.error();
    if (row->state != SessionState::removing) co_return to_info(*row);
    forget_client(context, session);
    stop_git_access(context, session);
    auto info = co_await complete_removal(context, std::move(*row));
    co_return info;
}

Task<SessionInfo> complete_removal(Context& context, store::Session session) {
    auto provider = co_await context.provider(session.host);
    if (!provider) co_return provider.error();
    auto destroyed = co_await destroy_sandboxes(**provider, session.id);
    if (!destroyed) co_return destroyed.error();
    bool ours = false;
    auto moved = co_await context.in_store([&](store::Store& store) -> Result<store::Session> {
        auto gone = store.move_session(session.id, SessionState::removing, SessionState::removed, {}, context.now());
        ours = gone.has_value();
        // Two may remove at once: the other one's record is as good.
        if (!gone && gone.error().kind == ErrorClass::conflict) return store.session(session.id);
        return gone;
    });
    if (!moved) co_return moved.error();
    if (ours) context.log(LogLevel::info, "session.removed", "a session was removed", fields_of(*moved));
    co_return to_info(*moved);
}

Timestamp idle_deadline_after(Timestamp now, std::chrono::seconds idle_limit) {
    return now + std::max<std::chrono::seconds>(idle_limit, 3s);
}

void touch(Context& context, const store::Session& session) {
    if (!session.idle_limit || !session.idle_deadline) return;
    const auto deadline = idle_deadline_after(context.now(), *session.idle_limit);
    if (deadline - *session.idle_deadline < 1s) return;
    store::SessionChange change;
    change.idle_deadline = std::optional<Timestamp>(deadline);
    (void)context.store->change_session(session.id, SessionState::running, change); // stopped meanwhile: nothing to put off
}

Task<std::shared_ptr<envd::Client>> client_of(Context& context, Principal who, std::string session) {
    // Asked at every call, here where the session is read anyway: a right that was taken away, also by another process, is gone.
    auto row = co_await context.in_store([&](store::Store& store) -> Result<store::Session> {
        auto found = permitted_session(context, store, Action::use_session, who, session);
        if (found && found->state == SessionState::running) touch(context, *found);
        return found;
    });
    if (!row) co_return row.error();
    if (row->state != SessionState::running) {
        forget_client(context, session);
        co_return not_running(*row);
    }
    {
        std::lock_guard guard(context.sessions_mutex);
        const auto found = context.clients.find(session);
        if (found != context.clients.end()) co_return found->second;
    }
    auto provider = co_await context.provider(row->host);
    if (!provider) co_return provider.error();
    auto endpoint = co_await (*provider)->endpoint(row->sandbox_id);
    if (!endpoint) co_return endpoint.error();
    auto client = envd::Client::make(context.executor(), std::move(*endpoint));
    std::lock_guard guard(context.sessions_mutex);
    co_return context.clients.insert_or_assign(session, client).first->second;
}

static bool is_stopping(Context& context, const std::string& session) {
    std::lock_guard guard(context.sessions_mutex);
    return context.stopping.contains(session);
}

Task<void> explain_failure(Context& context, std::string session, Error error) {
    if (error.code != "guest_unreachable" && error.code != "guest_refused" && error.code != "guest_disconnected") co_return error;
    asio::steady_timer timer(context.io);
    const auto wait = [&timer]() -> asio::awaitable<void> {
        boost::system::error_code ec;
        timer.expires_after(20ms);
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    };
    // Stopped or removed by somebody in the middle; a stop is recorded when it is done, with its reason.
    while (is_stopping(context, session) && !context.closing) co_await wait();
    auto row = co_await context.in_store([&](store::Store& store) { return store.session(session); });
    if (!row) co_return error;
    if (row->state != SessionState::running) co_return not_running(*row);
    auto provider = co_await context.provider(row->host);
    if (!provider) co_return error;
    for (int look = 0;; ++look) { // a process that ends closes its connections before it is gone
        auto sandbox = co_await (*provider)->inspect(row->sandbox_id);
        if (!sandbox || (sandbox->state == SandboxState::running && look == 25)) co_return error;
        if (sandbox->state != SandboxState::running) break;
        co_await wait();
    }
    Error ended{ErrorClass::conflict, "compute_ended", "the session's compute has ended by itself",
                "resume the session", error.message,   {}};
    (void)co_await stop_session(context, std::nullopt, session, ended);
    co_return ended;
}

} // namespace sandboxkit::engine
