// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_build.hpp"

#include "engine/hosts.hpp"
#include "git/clone.hpp"
#include "git/mirror_eviction.hpp"

#include <sandboxkit/digest.hpp>
#include <sandboxkit/managed_variables.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <list>

namespace sandboxkit::engine {

namespace asio = boost::asio;
namespace fs = std::filesystem;

static constexpr std::size_t log_flush_bytes = 256 << 10;
static constexpr auto log_flush_interval = std::chrono::milliseconds(200);
static constexpr std::size_t script_tail_bytes = 4 << 10;
static constexpr const char* out_of_memory = "it may have run out of memory: choose a larger resource class, or mend the script";
static constexpr const char* script_file = "/tmp/.sandboxkit-setup-script";

SnapshotBuild::SnapshotBuild(Context& context, store::Job job, store::Version version, Recipe recipe)
    : context_(context), job_(std::move(job)), version_(std::move(version)), recipe_(std::move(recipe)),
      attempt_(job_.info.id + "." + std::to_string(job_.info.attempt)),
      staging_(context.state_directory / "builds" / attempt_), labels_{{label_store, context.store_id},
                                                                       {label_host, job_.info.host},
                                                                       {label_engine, context.engine_id()},
                                                                       {label_job, job_.info.id}} {
    manifest_.version_digest = version_.digest;
}

void SnapshotBuild::tell(Progress progress) {
    progress.phase = phase_;
    context_.progress.tell(job_.info.id, progress);
}

Task<void> SnapshotBuild::enter(BuildPhase phase) {
    phase_ = phase;
    tell({});
    auto set = co_await context_.in_store(
        [this](store::Store& store) { return store.set_job_phase(job_.info.id, context_.engine_id(), phase_); });
    co_return set;
}

Task<Built> SnapshotBuild::run() {
    auto earlier = co_await context_.in_store([this](store::Store& store) { return store.job_log(job_.info.id); });
    if (earlier && !earlier->empty()) pending_log_ = "\n[begun again]\n"; // after an attempt that was interrupted
    auto built = co_await build();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation()); // what follows must happen
    (void)co_await end_pull();
    (void)co_await evict_mirrors();
    // Before anything is recorded: the sandbox may have filled the disk that the record needs.
    (void)co_await clean_up();
    auto flushed = co_await flush_log();
    if (built && !flushed) {
        (void)co_await discard(built->image);
        co_return flushed.error();
    }
    co_return built;
}

Task<Built> SnapshotBuild::build() {
    auto provider = co_await context_.provider(job_.info.host);
    if (!provider) co_return provider.error();
    provider_ = *provider;
    // Not on another daemon than the one that has the rest of what the host is said to have.
    auto can = co_await capabilities_of(context_, job_.info.host, provider_);
    if (!can) co_return can.error();

    auto entered = co_await enter(BuildPhase::repositories);
    if (!entered) co_return entered.error();
    auto cloned = co_await clone_repositories();
    if (!cloned) co_return cloned.error();

    entered = co_await enter(BuildPhase::image);
    if (!entered) co_return entered.error();
    ImageRequest request;
    request.image = recipe_.image;
    request.digest = recipe_.image_digest;
    request.trees = trees_;
    request.labels = labels_;
    request.progress = [this](const ImageProgress& p) { tell({{}, p.message, p.done, p.total, ""}); };
    if (context_.options.credentials)
        request.credential = [this](const std::string& registry) {
            CredentialRequest wanted;
            wanted.purpose = CredentialPurpose::pull;
            wanted.url = "https://" + registry;
            wanted.profile = job_.info.profile;
            wanted.version = job_.info.version;
            wanted.job = job_.info.id;
            pull_ = std::make_unique<CredentialLease>(context_, std::move(wanted));
            return pull_->ask();
        };
    auto image = co_await provider_->prepare_image(std::move(request));
    // The code of OCI's distribution specification for a credential that is not taken; one that may not do this is DENIED.
    pull_refused_ =
        !image && image.error().kind == ErrorClass::permission && image.error().detail.find("unauthorized") != std::string::npos;
    if (!image) co_return image.error();
    (void)co_await end_pull();

    if (!recipe_.setup_script.empty()) {
        base_image_ = image->id;
        entered = co_await enter(BuildPhase::start);
        if (!entered) co_return entered.error();
        CreateRequest create;
        create.token = attempt_;
        create.image_id = base_image_;
        create.labels = labels_;
        create.limits = limits_of(recipe_.resources);
        create.egress = recipe_.network.egress;
        create.hostname = "build";
        for (const auto& repository : recipe_.repositories)
            if (repository.read_only) create.read_only_paths.push_back(repository.mount_path);
        auto created = co_await provider_->create(std::move(create));
        if (!created) co_return created.error();
        sandbox_ = created->id;
        auto started = co_await provider_->start(sandbox_);
        if (!started) co_return started.error();

        entered = co_await enter(BuildPhase::setup_script);
        if (!entered) co_return entered.error();
        auto ran = co_await run_setup_script();
        if (!ran) co_return ran.error();

        entered = co_await enter(BuildPhase::capture);
        if (!entered) co_return entered.error();
        auto captured = co_await provider_->capture(sandbox_, labels_);
        if (!captured) co_return captured.error();
        image = std::move(captured->image);
    }
    manifest_.ingredients.insert(manifest_.ingredients.end(), image->ingredients.begin(), image->ingredients.end());
    if (!recipe_.setup_script.empty())
        manifest_.ingredients.push_back({"setup_script", "setup_script", digest_of(recipe_.setup_script)});
    phase_ = BuildPhase::record;
    co_return Built{{provider_->name(), image->id}, manifest_};
}

Task<void> SnapshotBuild::end_pull() {
    auto ended = co_await async::blocking(context_.clone_pool, [this](std::stop_token) -> Result<void> {
        if (pull_) pull_->give_back({.over = true, .refused = pull_refused_});
        return {};
    });
    co_return ended;
}

// However the build went: what a clone brought into a mirror stays there.
Task<void> SnapshotBuild::evict_mirrors() {
    if (recipe_.repositories.empty()) co_return Result<void>{};
    auto evicted = co_await async::blocking(context_.clone_pool, [this](std::stop_token) {
        return git::evict_mirrors(context_.state_directory / "mirrors", context_.options.mirror_bytes);
    });
    if (!evicted)
        context_.log(LogLevel::warning, "mirrors.evicted", "mirrors that take too much could not be removed",
                     {{"class", std::string(to_string(evicted.error().kind))}, {"code", evicted.error().code}});
    else if (evicted->mirrors > 0)
        context_.log(LogLevel::info, "mirrors.evicted", "mirrors took more than their limit",
                     {{"mirrors", std::to_string(evicted->mirrors)}, {"bytes", std::to_string(evicted->bytes)}});
    co_return Result<void>{};
}

Task<void> SnapshotBuild::clone_repositories() {
    for (const auto& repository : recipe_.repositories) {
        const auto destination = staging_ / repository.identifier;
        git::CloneRequest request;
        request.url = repository.url;
        request.branch = repository.branch;
        request.revision = repository.revision;
        request.depth = repository.depth;
        request.submodules = repository.submodules;
        request.destination = destination;
        request.mirrors = context_.state_directory / "mirrors";
        tell({{}, "cloning " + repository.identifier, 0, 0, ""});
        auto cloned = co_await async::blocking(
            context_.clone_pool, [this, &request, &repository](std::stop_token stop) -> Result<git::CloneResult> {
                std::error_code ec;
                fs::create_directories(staging_, ec);
                fs::create_directories(request.mirrors, ec);
                fs::remove_all(request.destination, ec); // of an attempt that was given back
                std::list<CredentialLease> leases;       // the last is that of the server which is talked to
                if (context_.options.credentials)
                    request.credential = [&](const std::string& url) {
                        leases.emplace_back(context_, CredentialRequest{CredentialPurpose::clone, url, recipe_.connections.git,
                                                                        job_.info.profile, job_.info.version,
                                                                        repository.identifier, repository.role, job_.info.id});
                        return leases.back().ask();
                    };
                auto done = git::clone(request, stop, [&](const git::CloneProgress& p) {
                    tell({{},
                          "cloning " + repository.identifier + ": " + std::to_string(p.received_objects) + "/" +
                              std::to_string(p.total_objects) + " objects",
                          p.received_bytes,
                          0,
                          ""});
                });
                if (!leases.empty())
                    leases.back().give_back({.over = true, .refused = !done && done.error().code == "credentials_refused"});
                return done;
            });
        if (!cloned) {
            Error error = cloned.error();
            error.message = "repository \"" + repository.identifier + "\": " + error.message;
            co_return error;
        }
        manifest_.ingredients.push_back({"repository", repository.identifier, "git:" + cloned->commit, cloned->branch});
        pending_log_ += "cloned " + repository.identifier + " at " + cloned->commit + "\n";
        if (cloned->submodules > 0)
            pending_log_ += "with " + std::to_string(cloned->submodules) + " submodules of " + repository.identifier + "\n";
        if (cloned->lfs_pointers > 0)
            pending_log_ += std::to_string(cloned->lfs_pointers) + " files of " + repository.identifier +
                            " are pointers to Git LFS, whose contents are not fetched\n";
        trees_.push_back({destination, repository.mount_path});
    }
    auto flushed = co_await flush_log();
    co_return flushed;
}

Task<void> SnapshotBuild::run_setup_script() {
    auto endpoint = co_await provider_->endpoint(sandbox_);
    if (!endpoint) co_return endpoint.error();
    auto client = envd::Client::make(context_.executor(), std::move(*endpoint));
    envd::InitRequest init;
    init.environment = managed_variables(recipe_, manifest_, "");
    init.environment.insert(recipe_.environment.begin(), recipe_.environment.end());
    auto initialized = co_await client->init(std::move(init));
    if (!initialized) co_return initialized.error();
    auto written = co_await client->write_file(script_file, recipe_.setup_script);
    if (!written) co_return written.error();

    const auto primary = std::find_if(recipe_.repositories.begin(), recipe_.repositories.end(),
                                      [](const Repository& r) { return r.role == RepositoryRole::primary; });
    const std::string cwd = primary == recipe_.repositories.end() ? "/" : primary->mount_path;
    // A script with an interpreter line runs by it; any other by the shell, which stops at the first command that fails.
    std::vector<std::string> argv = {"/bin/sh", "-e", script_file};
    if (recipe_.setup_script.starts_with("#!"))
        argv = {"/bin/sh", "-c", std::string("chmod 700 ") + script_file + " && exec " + script_file};
    auto ran = co_await follow_script(*client, std::move(argv), cwd);
    if (!ran) co_return ran.error();
    auto removed = co_await client->remove(script_file);
    co_return removed;
}

Task<void> SnapshotBuild::follow_script(envd::Client& client, std::vector<std::string> argv, std::string cwd) {
    ExecRequest request;
    request.argv = std::move(argv);
    request.cwd = std::move(cwd);
    request.timeout = std::chrono::seconds(recipe_.setup_timeout_seconds);
    auto stream = co_await client.start(std::move(request));
    if (!stream) co_return stream.error();
    for (;;) {
        auto event = co_await (*stream)->next();
        if (!event) {
            Error error = event.error();
            error.detail = script_tail_;
            co_return error;
        }
        if (event->end) {
            const ProcessEnd& end = *event->end;
            if (end.timed_out)
                co_return Error{ErrorClass::timeout,
                                "setup_script_timeout",
                                "the setup script was ended after its " + std::to_string(recipe_.setup_timeout_seconds) +
                                    " seconds",
                                "make it faster or raise setup_timeout",
                                script_tail_,
                                {}};
            if (end.signal != 0)
                co_return Error{ErrorClass::invalid,
                                "setup_script_failed",
                                "the setup script was ended by signal " + std::to_string(end.signal),
                                end.signal == 9 ? out_of_memory : "mend the script",
                                script_tail_,
                                {}};
            if (end.exit_code != 0)
                co_return Error{ErrorClass::invalid,
                                "setup_script_failed",
                                "the setup script exited with code " + std::to_string(end.exit_code),
                                end.exit_code == 137 ? out_of_memory : "mend the script",
                                script_tail_,
                                {}};
            co_return Result<void>{};
        }
        script_tail_ += event->bytes;
        if (script_tail_.size() > script_tail_bytes) script_tail_.erase(0, script_tail_.size() - script_tail_bytes);
        pending_log_ += event->bytes;
        tell({{}, "", 0, 0, std::move(event->bytes)});
        const bool much = pending_log_.size() >= log_flush_bytes && !log_waits_;
        if (much || std::chrono::steady_clock::now() - last_flush_ >= log_flush_interval) {
            auto flushed = co_await flush_log();
            if (!flushed && !log_waits_) co_return flushed.error();
        }
    }
}

Task<void> SnapshotBuild::flush_log() {
    last_flush_ = std::chrono::steady_clock::now();
    if (pending_log_.empty()) co_return Result<void>{};
    auto bytes = std::exchange(pending_log_, {});
    auto appended = co_await context_.in_store(
        [this, &bytes](store::Store& store) { return store.append_job_log(job_.info.id, context_.engine_id(), bytes); });
    log_waits_ = !appended && appended.error().code == "disk_full";
    if (log_waits_) {
        // It is what the script wrote that fills the disk, most likely: the end of its output is kept until that is gone.
        if (bytes.size() > log_flush_bytes)
            bytes.replace(0, bytes.size() - log_flush_bytes, "[the disk was full: output was lost here]\n");
        pending_log_ = std::move(bytes);
    }
    co_return appended;
}

Task<void> SnapshotBuild::clean_up() {
    if (!sandbox_.empty()) (void)co_await provider_->destroy(sandbox_);
    if (!base_image_.empty()) (void)co_await provider_->remove_image(base_image_);
    auto removed = co_await async::blocking(context_.clone_pool, [this](std::stop_token) -> Result<void> {
        std::error_code ec;
        fs::remove_all(staging_, ec);
        return {};
    });
    co_return removed;
}

Task<void> SnapshotBuild::discard(ImageHandle image) {
    auto removed = co_await provider_->remove_image(image.id);
    co_return removed;
}

} // namespace sandboxkit::engine
