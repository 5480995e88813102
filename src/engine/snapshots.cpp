// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshots.hpp"

#include "engine/records.hpp"
#include "engine/snapshot_build.hpp"

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/redirect_error.hpp>

#include <set>

namespace sandboxkit::engine {

namespace asio = boost::asio;
using namespace std::chrono_literals;

static constexpr auto lease = 30s; // a dead engine of another machine is noticed after this
static constexpr auto renew_interval = 10s;
static constexpr auto watch_interval = 250ms; // how soon a cancelled job is noticed
static constexpr auto poll_interval = 1s;     // how soon another process's queued job is noticed
static constexpr auto wait_interval = 50ms;

namespace {

Task<void> pause(asio::steady_timer& timer, std::chrono::milliseconds duration) {
    boost::system::error_code ec;
    timer.expires_after(duration);
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return Result<void>{};
}

LogFields fields_of(const JobInfo& job) {
    return {{"job", job.id}, {"profile", job.profile}, {"version", std::to_string(job.version)}, {"host", job.host}};
}

void log_begin(const Context& context, const JobInfo& job) {
    LogFields fields = fields_of(job);
    if (job.attempt == 1) {
        context.log(LogLevel::info, "job.started", "a snapshot is being made", std::move(fields));
    } else {
        fields.emplace_back("attempt", std::to_string(job.attempt));
        context.log(LogLevel::warning, "job.taken_over", "a snapshot is being made again, as who made it has died",
                    std::move(fields));
    }
}

void log_success(const Context& context, const JobInfo& job, std::chrono::steady_clock::time_point begin) {
    LogFields fields = fields_of(job);
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    fields.emplace_back("milliseconds", std::to_string(taken.count()));
    context.log(LogLevel::info, "job.succeeded", "a snapshot is made", std::move(fields));
}

void log_failure(const Context& context, const JobInfo& job, BuildPhase phase, const Error& error) {
    LogFields fields = fields_of(job);
    fields.emplace_back("phase", to_string(phase));
    context.log(LogLevel::warning, "job.failed", "a snapshot could not be made", with_error(std::move(fields), error));
}

bool is_cancelled(const asio::cancellation_state& state) {
    return state.cancelled() != asio::cancellation_type::none;
}

// Runs the build beside a watch on its lease; returns when the build has ended.
Task<Built> build_while_leased(Context& context, SnapshotBuild& build, const std::string& job, bool& lost) {
    auto operation = async::spawn<Built>(context.executor(), build.run());
    asio::steady_timer timer(context.io);
    std::optional<Result<Built>> result;
    operation.on_complete([&](Result<Built> r) { // on the io thread, like this coroutine
        result.emplace(std::move(r));
        timer.cancel();
    });
    auto renewed = std::chrono::steady_clock::now();
    while (!result) {
        (void)co_await pause(timer, watch_interval);
        auto state = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(state)) {
            operation.cancel();
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            continue;
        }
        if (result || lost) continue;
        const auto now = std::chrono::steady_clock::now();
        const bool due = now - renewed >= renew_interval;
        if (due) renewed = now;
        auto held = co_await context.in_store([&](store::Store& store) -> Result<void> {
            if (due) return store.renew_lease(job, context.engine_id(), context.now(), lease);
            auto row = store.job(job);
            if (!row) return row.error();
            if (row->info.state != JobState::running || row->lease_owner != context.engine_id())
                return Error{ErrorClass::conflict, "lease_lost", "the job was cancelled or taken over", "", "", {}};
            return {};
        });
        if (!held && held.error().kind == ErrorClass::conflict) {
            lost = true;
            operation.cancel();
        }
    }
    co_return std::move(*result);
}

Task<void> build_job(Context& context, store::Job job) {
    const std::string id = job.info.id;
    const auto begin = std::chrono::steady_clock::now();
    log_begin(context, job.info);
    auto version =
        co_await context.in_store([&](store::Store& store) { return store.version(job.info.profile, job.info.version); });
    auto recipe = version ? stored_recipe(version->recipe) : Result<Recipe>(version.error());
    if (!recipe) { // to be told, not to be tried again
        auto failed = co_await context.in_store([&](store::Store& store) {
            return store.fail_job(id, context.engine_id(), BuildPhase::queued, recipe.error(), context.now());
        });
        log_failure(context, job.info, BuildPhase::queued, recipe.error());
        co_return failed;
    }

    SnapshotBuild build(context, job, std::move(*version), std::move(*recipe));
    bool lost = false;
    auto built = co_await build_while_leased(context, build, id, lost);
    // What follows must happen although the engine closes.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const bool interrupted = !built && context.closing && built.error().kind == ErrorClass::cancelled;
    auto recorded = co_await context.in_store([&](store::Store& store) -> Result<void> {
        if (lost) return {}; // cancelled: the row says so already
        if (built)
            return store.succeed_job(id, context.engine_id(), built->image, store::to_json(built->manifest), context.now());
        if (interrupted) return store.release_job(id, context.engine_id());
        return store.fail_job(id, context.engine_id(), build.phase(), built.error(), context.now());
    });
    if (built && (lost || !recorded)) (void)co_await build.discard(built->image);
    if (lost || (!recorded && recorded.error().kind == ErrorClass::conflict)) {
        auto row = co_await context.in_store([&](store::Store& store) { return store.job(id); });
        if (row && row->info.state == JobState::cancelled) log_cancelled(context, row->info); // else it is another engine's now
    } else if (!recorded) {
        log_failure(context, job.info, BuildPhase::record, recorded.error());
    } else if (built) {
        log_success(context, job.info, begin);
    } else if (!interrupted) {
        log_failure(context, job.info, build.phase(), built.error());
    }
    co_return recorded;
}

} // namespace

void log_cancelled(const Context& context, const JobInfo& job) {
    context.log(LogLevel::info, "job.cancelled", "the making of a snapshot was cancelled", fields_of(job));
}

Task<void> run_builders(Context& context) {
    auto at_work = std::make_shared<std::set<std::string>>(); // ids of jobs; only on the io thread
    for (;;) {
        auto state = co_await asio::this_coro::cancellation_state;
        if (context.closing || is_cancelled(state)) co_return Result<void>{};
        if (at_work->size() < concurrent_builds) {
            const auto others = *at_work; // the set itself changes on this thread while the pool reads
            auto leased = co_await context.in_store([&](store::Store& store) {
                return store.lease_next_job(
                    context.engine_id(), context.now(), lease,
                    [&](std::string_view engine) { return context.lock->is_dead(engine); }, others,
                    [&](const JobInfo& job) { log_failure(context, job, job.phase, *job.error); });
            });
            if (leased && *leased) {
                const std::string id = (*leased)->info.id;
                at_work->insert(id);
                auto operation = context.run<void>(build_job(context, std::move(**leased)));
                operation.on_complete([at_work, id, &context](Result<void>) {
                    at_work->erase(id);
                    context.builders_wake.cancel();
                });
                continue;
            }
        }
        if (!context.closing) (void)co_await pause(context.builders_wake, poll_interval);
    }
}

Task<JobInfo> wait_for_job(Context& context, std::string job, ProgressHandler progress) {
    struct Subscription {
        Context& context;
        std::optional<ProgressBoard::Key> key;
        ~Subscription() {
            if (key) context.progress.unsubscribe(*key);
        }
    } subscription{context, {}};
    if (progress) subscription.key = context.progress.subscribe(job, progress);
    asio::steady_timer timer(context.io);
    std::optional<BuildPhase> told;
    for (;;) {
        auto row = co_await context.in_store([&](store::Store& store) { return store.job(job); });
        if (!row) co_return row.error();
        if (!is_active(row->info.state)) co_return row->info;
        // A build of another process is followed by its phase alone.
        if (progress && row->lease_owner != context.engine_id() && told != row->info.phase) {
            told = row->info.phase;
            Progress step;
            step.phase = *told;
            progress(step);
        }
        (void)co_await pause(timer, wait_interval);
        auto state = co_await asio::this_coro::cancellation_state;
        if (is_cancelled(state)) co_return cancelled_error();
    }
}

} // namespace sandboxkit::engine
