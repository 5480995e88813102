// SPDX-License-Identifier: Apache-2.0
// The face: checks the principal and its scopes, and hands over to the use cases, which ask for what depends on a session or on
// the access list of a profile (permissions.hpp).
#include <sandboxkit/engine.hpp>

#include "engine/engine_impl.hpp"
#include "engine/files.hpp"
#include "engine/guest_path.hpp"
#include "engine/hosts.hpp"
#include "engine/permissions.hpp"
#include "engine/processes.hpp"
#include "engine/publishing.hpp"
#include "engine/reconciliation.hpp"
#include "engine/records.hpp"
#include "engine/sessions.hpp"
#include "engine/snapshots.hpp"
#include "engine/state_directory.hpp"
#include "providers/local/local_provider.hpp"

#include <sandboxkit/profile_document.hpp>

#include <algorithm>

namespace sandboxkit {

using engine::Context;

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::open(EngineOptions options) {
    auto context = Context::open(std::move(options));
    if (!context) return context.error();
    Context& c = **context;
    Engine engine(std::make_unique<Impl>(std::move(*context)));
    c.log(LogLevel::info, "engine.opened", "the engine is open",
          {{"engine", c.engine_id()}, {"store", c.options.store.string()}});
    for (const auto& managed : c.hosts.managed())
        if (managed.provider && !*managed.provider)
            c.log(LogLevel::warning, "provider.unusable",
                  "the provider \"" + managed.definition.name + "\" cannot be used on this host",
                  engine::with_error({{"provider", managed.definition.name}}, managed.provider->error()));
    // What cannot be reconciled now (a provider that does not answer) is tried again on the timer; hosts that are reached over
    // a wire are looked at on it from the beginning, as nobody knows how long they take.
    using enum engine::Where;
    (void)c.run<void>(engine::reconcile(c, at_hand)).get();
    (void)c.run<void>(engine::enforce_time_limits(c, at_hand)).get(); // nobody may have been there when one ran out
    (void)c.run<void>(engine::run_housekeeping(c, at_hand));
    (void)c.run<void>(engine::run_housekeeping(c, elsewhere));
    if (c.options.run_snapshot_jobs) (void)c.run<void>(engine::run_builders(c));
    return engine;
}

std::vector<DoctorCheck> Engine::doctor(const EngineOptions& options) {
    std::error_code ignored;
    const bool nowhere = options.store.empty() && options.state_directory.empty();
    const auto state =
        nowhere ? std::filesystem::temp_directory_path(ignored) / "sandboxkit" : engine::state_directory_of(options);
    auto guest = engine::find_guest(options.guest);
    auto checks = local::doctor({state / "local", guest ? *guest : std::filesystem::path(), options.runtime});
    if (!guest) // it knows where it looked
        for (auto& check : checks)
            if (check.name == "guest program") check = {check.name, check.status, guest.error().message, guest.error().remedy};
    checks.push_back(engine::docker_check(options));
    return checks;
}

Result<HostInfo> Engine::add_host(const Principal& who, const HostDefinition& definition) {
    if (auto ok = engine::check_scopes(Action::manage_hosts, who); !ok) return ok.error();
    return engine::add_host(*impl_->context, definition, engine::actor_of(who));
}

Result<HostInfo> Engine::host(const Principal& who, std::string_view name) const {
    if (auto ok = engine::check_scopes(Action::see_hosts, who); !ok) return ok.error();
    return engine::host(*impl_->context, name);
}

Result<std::vector<HostInfo>> Engine::hosts(const Principal& who) const {
    if (auto ok = engine::check_scopes(Action::see_hosts, who); !ok) return ok.error();
    return engine::hosts(*impl_->context);
}

Operation<HostStatus> Engine::test_host(const Principal& who, std::string_view name) {
    return impl_->run<HostStatus>(Action::manage_hosts, who, [&](Context& c) { return engine::test_host(c, std::string(name)); });
}

Result<void> Engine::remove_host(const Principal& who, std::string_view name, bool force) {
    if (auto ok = engine::check_scopes(Action::manage_hosts, who); !ok) return ok.error();
    return engine::remove_host(*impl_->context, name, force, engine::actor_of(who));
}

Result<void> Engine::accept_host(const Principal& who, std::string_view name) {
    if (auto ok = engine::check_scopes(Action::manage_hosts, who); !ok) return ok.error();
    return engine::accept_host(*impl_->context, name, engine::actor_of(who));
}

Result<void> Engine::set_default_host(const Principal& who, std::string_view name) {
    if (auto ok = engine::check_scopes(Action::manage_hosts, who); !ok) return ok.error();
    return engine::set_default_host(*impl_->context, name);
}

Result<JobInfo> Engine::refresh_snapshot(const Principal& who, std::string_view id, std::uint32_t number, std::string_view host) {
    if (auto ok = engine::check_scopes(Action::refresh_snapshot, who); !ok) return ok.error();
    Context& c = *impl_->context;
    auto version = c.store->version(id, number);
    if (!version) return version.error();
    auto recipe = engine::stored_recipe(version->recipe);
    if (!recipe) return recipe.error();
    if (!host.empty()) recipe->host = host;
    auto where = engine::host_of(*c.store, *recipe);
    if (!where) return where.error();
    if (auto ok = engine::check_host_of(c, *recipe, *where); !ok) return ok.error();
    auto job = c.store->enqueue_snapshot_job(c.ids->next("job"), id, number, *where, JobTrigger::manual_refresh,
                                             engine::actor_of(who), c.now());
    if (!job) return job.error();
    c.wake_builders();
    return job->info;
}

Result<JobInfo> Engine::job(const Principal& who, std::string_view id) const {
    if (auto ok = engine::check_scopes(Action::read_job, who); !ok) return ok.error();
    auto job = impl_->context->store->job(id);
    if (!job) return job.error();
    return job->info;
}

Result<std::vector<JobInfo>> Engine::jobs(const Principal& who, std::string_view id) const {
    if (auto ok = engine::check_scopes(Action::read_job, who); !ok) return ok.error();
    auto jobs = impl_->context->store->jobs(id);
    if (!jobs) return jobs.error();
    std::vector<JobInfo> infos;
    for (auto& job : *jobs) infos.push_back(std::move(job.info));
    return infos;
}

Result<std::string> Engine::job_log(const Principal& who, std::string_view id) const {
    if (auto ok = engine::check_scopes(Action::read_job, who); !ok) return ok.error();
    return impl_->context->store->job_log(id);
}

Result<JobInfo> Engine::cancel_job(const Principal& who, std::string_view id) {
    if (auto ok = engine::check_scopes(Action::cancel_job, who); !ok) return ok.error();
    Context& c = *impl_->context;
    auto job = c.store->cancel_job(id, engine::actor_of(who), c.now());
    if (!job) return job.error();
    if (job->info.attempt == 0) engine::log_cancelled(c, job->info); // else who runs it does
    return job->info;
}

Operation<JobInfo> Engine::wait_for_job(const Principal& who, std::string_view id, ProgressHandler progress) {
    return impl_->run<JobInfo>(Action::read_job, who,
                               [&](Context& c) { return engine::wait_for_job(c, std::string(id), std::move(progress)); });
}

Operation<SessionInfo> Engine::start_session(const Principal& who, StartOptions options) {
    return impl_->run<SessionInfo>(Action::start_session, who,
                                   [&](Context& c) { return engine::start_session(c, who, std::move(options)); });
}

Result<SessionInfo> Engine::session(const Principal& who, std::string_view id) const {
    if (auto ok = engine::check_scopes(Action::read_session, who); !ok) return ok.error();
    Context& c = *impl_->context;
    auto session = c.store->session(id);
    if (!session) return session.error();
    if (auto ok = engine::check_session(c, Action::read_session, who, *session); !ok) return ok.error();
    return engine::to_info(*session);
}

Result<std::vector<SessionInfo>> Engine::sessions(const Principal& who, bool include_ended) const {
    if (auto ok = engine::check_scopes(Action::read_session, who); !ok) return ok.error();
    Context& c = *impl_->context;
    auto sessions = c.store->sessions(include_ended);
    if (!sessions) return sessions.error();
    std::vector<SessionInfo> infos;
    for (const auto& session : *sessions) {
        if (!engine::check_session(c, Action::read_session, who, session)) continue;
        auto info = engine::to_info(session);
        if (!info) return info.error();
        infos.push_back(std::move(*info));
    }
    return infos;
}

Operation<SessionInfo> Engine::stop_session(const Principal& who, std::string_view id) {
    return impl_->run<SessionInfo>(Action::stop_session, who,
                                   [&](Context& c) { return engine::stop_session(c, who, std::string(id), Error{}); });
}

Operation<SessionInfo> Engine::resume_session(const Principal& who, std::string_view id) {
    return impl_->run<SessionInfo>(Action::resume_session, who,
                                   [&](Context& c) { return engine::resume_session(c, who, std::string(id)); });
}

Operation<SessionInfo> Engine::remove_session(const Principal& who, std::string_view id) {
    return impl_->run<SessionInfo>(Action::remove_session, who,
                                   [&](Context& c) { return engine::remove_session(c, who, std::string(id)); });
}

Operation<ExecResult> Engine::exec(const Principal& who, std::string_view id, ExecRequest request, std::uint64_t output_limit) {
    return impl_->run<ExecResult>(Action::use_session, who, [&](Context& c) {
        return engine::exec(c, who, std::string(id), std::move(request), output_limit);
    });
}

Operation<Process> Engine::start_process(const Principal& who, std::string_view id, ExecRequest request) {
    return impl_->run<Process>(Action::use_session, who,
                               [&](Context& c) { return engine::start_process(c, who, std::string(id), std::move(request)); });
}

Operation<std::vector<ProcessInfo>> Engine::processes(const Principal& who, std::string_view id) {
    return impl_->run<std::vector<ProcessInfo>>(Action::use_session, who,
                                                [&](Context& c) { return engine::processes(c, who, std::string(id)); });
}

Operation<Process> Engine::attach_process(const Principal& who, std::string_view id, std::string process,
                                          std::optional<std::uint64_t> offset) {
    return impl_->run<Process>(Action::use_session, who, [&](Context& c) {
        return engine::attach_process(c, who, std::string(id), std::move(process), offset);
    });
}

Operation<void> Engine::signal_process(const Principal& who, std::string_view id, std::string process, int number) {
    return impl_->run<void>(Action::use_session, who, [&](Context& c) {
        return engine::signal_process(c, who, std::string(id), std::move(process), number);
    });
}

Operation<std::string> Engine::read_file(const Principal& who, std::string_view id, std::string path) {
    return impl_->run<std::string>(Action::use_session, who,
                                   [&](Context& c) { return engine::read_file(c, who, std::string(id), std::move(path)); });
}

Operation<void> Engine::write_file(const Principal& who, std::string_view id, std::string path, std::string bytes) {
    return impl_->run<void>(Action::use_session, who, [&](Context& c) {
        return engine::write_file(c, who, std::string(id), std::move(path), std::move(bytes));
    });
}

Operation<FileInfo> Engine::file_info(const Principal& who, std::string_view id, std::string path) {
    return impl_->run<FileInfo>(Action::use_session, who,
                                [&](Context& c) { return engine::file_info(c, who, std::string(id), std::move(path)); });
}

Operation<std::vector<FileInfo>> Engine::list_directory(const Principal& who, std::string_view id, std::string path,
                                                        std::uint32_t depth) {
    return impl_->run<std::vector<FileInfo>>(Action::use_session, who, [&](Context& c) {
        return engine::list_directory(c, who, std::string(id), std::move(path), depth);
    });
}

Operation<FileInfo> Engine::make_directory(const Principal& who, std::string_view id, std::string path) {
    return impl_->run<FileInfo>(Action::use_session, who,
                                [&](Context& c) { return engine::make_directory(c, who, std::string(id), std::move(path)); });
}

Operation<FileInfo> Engine::move_file(const Principal& who, std::string_view id, std::string from, std::string to) {
    return impl_->run<FileInfo>(Action::use_session, who, [&](Context& c) {
        return engine::move_file(c, who, std::string(id), std::move(from), std::move(to));
    });
}

Operation<void> Engine::remove_file(const Principal& who, std::string_view id, std::string path) {
    return impl_->run<void>(Action::use_session, who,
                            [&](Context& c) { return engine::remove_file(c, who, std::string(id), std::move(path)); });
}

Operation<TreeSummary> Engine::upload_tree(const Principal& who, std::string_view id, std::filesystem::path from,
                                           std::string to) {
    return impl_->run<TreeSummary>(Action::use_session, who, [&](Context& c) {
        return engine::upload_tree(c, who, std::string(id), std::move(from), std::move(to));
    });
}

Operation<TreeSummary> Engine::download_tree(const Principal& who, std::string_view id, std::string from,
                                             std::filesystem::path to, TreeLimits limits) {
    return impl_->run<TreeSummary>(Action::use_session, who, [&](Context& c) {
        return engine::download_tree(c, who, std::string(id), std::move(from), std::move(to), limits);
    });
}

Operation<FileWatch> Engine::watch_directory(const Principal& who, std::string_view id, std::string path, bool recursive) {
    return impl_->run<FileWatch>(Action::use_session, who, [&](Context& c) {
        return engine::watch_directory(c, who, std::string(id), std::move(path), recursive);
    });
}

Operation<void> Engine::reconcile(const Principal& who) {
    return impl_->run<void>(Action::reconcile, who, [](Context& c) -> Task<void> {
        Result<void> first;
        for (const auto where : {engine::Where::at_hand, engine::Where::elsewhere}) {
            auto done = co_await engine::reconcile(c, where);
            if (first) first = done;
            auto limits = co_await engine::enforce_time_limits(c, where);
            if (first) first = limits;
        }
        co_return first;
    });
}

Operation<std::shared_ptr<Provider>> Engine::provider(const Principal& who, std::string host) {
    return impl_->run<std::shared_ptr<Provider>>(Action::reconcile, who, [&](Context& c) { return c.provider(std::move(host)); });
}

} // namespace sandboxkit
