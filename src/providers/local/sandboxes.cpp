// SPDX-License-Identifier: Apache-2.0
#include "providers/local/sandboxes.hpp"

#include "providers/local/guest_socket.hpp"
#include "providers/local/program_path.hpp"
#include "providers/local/sandbox_root.hpp"
#include "providers/local/stop_descriptor.hpp"
#include "providers/local/tree_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::seconds group_limit{10};
constexpr std::chrono::seconds slirp_limit{2};
constexpr std::uint64_t least_memory_mib = 16;
constexpr std::uint32_t least_processes = 8;
constexpr const char* captured_mark = "captured";
constexpr std::string_view trial_prefix = "trial-";
constexpr std::size_t most_labels = 32, label_bytes = 256, token_bytes = 1024;

Error invalid(const char* code, std::string message, std::string remedy) {
    return {ErrorClass::invalid, code, std::move(message), std::move(remedy), "", {}};
}

bool host_label(std::string_view name) {
    const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= 63 && name.front() != '-' && name.back() != '-' &&
           std::ranges::all_of(name, [&](char c) { return alphanumeric(c) || c == '-'; });
}

bool normal_path(const std::string& path) {
    return path.size() > 1 && path.front() == '/' && path.back() != '/' && path.find('\0') == std::string::npos &&
           fs::path(path).lexically_normal().native() == path;
}

Result<void> check(const CreateRequest& request) {
    if (request.token.empty() || request.token.size() > token_bytes)
        return invalid("token", "the token is empty or too long", "give 1 to 1024 bytes");
    if (!host_label(request.hostname))
        return invalid("hostname", "the host name is not a label of RFC 1123", "give 1 to 63 letters, digits and hyphens");
    if (request.labels.size() > most_labels) return invalid("labels", "too many labels", "give at most 32");
    for (const auto& [name, value] : request.labels)
        if (name.size() > label_bytes || value.size() > label_bytes)
            return invalid("labels", "a label is too long", "give at most 256 bytes");
    for (const auto& path : request.read_only_paths)
        if (!normal_path(path))
            return invalid("read_only_path", shown(path) + " is not an absolute, normalized path", "give it as /a/b");
    if (!request.volumes.empty()) return detail::no_volumes();
    if (!(request.limits.cpus > 0 && request.limits.cpus <= 1024))
        return invalid("limits", "the CPU limit is out of range", "give 0.01 to 1024");
    if (request.limits.memory_bytes < (least_memory_mib << 20))
        return invalid("limits", "the memory limit is too small", "give at least " + std::to_string(least_memory_mib) + " MiB");
    if (request.limits.processes < least_processes)
        return invalid("limits", "the process limit is too small", "give at least " + std::to_string(least_processes));
    return {};
}

bool matches(const SandboxRecord& record, const std::map<std::string, std::string>& labels) {
    return std::ranges::all_of(labels, [&](const auto& wanted) {
        const auto found = record.request.labels.find(wanted.first);
        return found != record.request.labels.end() && found->second == wanted.second;
    });
}

std::chrono::microseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

} // namespace

SandboxInfo Sandboxes::info(const SandboxRecord& record, const std::optional<RunRecord>& run) const {
    SandboxInfo result;
    result.id = record.id;
    result.token = record.request.token;
    result.labels = record.request.labels;
    if (run) result.state = open_process(run->guest) ? SandboxState::running : SandboxState::ended;
    const CgroupControls& in_force = host_.runtime.chosen.in_force;
    if (!in_force.cpu) result.unenforced.emplace_back("cpus");
    if (!in_force.memory) result.unenforced.emplace_back("memory");
    if (!in_force.processes) result.unenforced.emplace_back("processes");
    if (record.request.limits.disk_bytes) result.unenforced.emplace_back("disk");
    return result;
}

Result<SandboxInfo> Sandboxes::create(const CreateRequest& request) const {
    auto valid = check(request);
    if (!valid) return valid.error();
    if (request.egress == Egress::open && host_.slirp.empty())
        return Error{ErrorClass::unsupported,
                     "egress_open_unsupported",
                     "this host cannot give a sandbox outbound access: " + host_.slirp_missing,
                     "install slirp4netns, or use egress \"none\"",
                     "",
                     {}};
    const SandboxRecord record{sandbox_id(request.token), request};
    if (!state_.exists(record.id)) {
        auto images = state_.lock_images(false);
        if (!images) return images.error();
        auto plan = images_->root_plan(request.image_id);
        if (!plan) return plan.error();
        auto made = state_.make(record, [&](const fs::path& path) -> Result<void> {
            auto base = make_base_layer(path, request, *plan);
            if (!base) return base;
            return images_->make_writable(request.image_id, writable_layer(path));
        });
        if (!made) return made.error();
        if (*made) return info(record, std::nullopt);
    }
    auto existing = state_.record(record.id);
    if (!existing) return existing.error();
    if (existing->request.token != request.token)
        return Error{
            ErrorClass::conflict, "token_collision", "another sandbox has the id of this token", "use another token", "", {}};
    return info(*existing, state_.run_record(record.id));
}

Result<StartedContainer> Sandboxes::run(const LockedSandbox& sandbox, const SandboxRecord& record, std::stop_token stop) const {
    const CreateRequest& request = record.request;
    auto plan = images_->root_plan(request.image_id);
    if (!plan) return plan.error();
    auto seccomp = host_.seccomp.open();
    if (!seccomp) return seccomp.error();

    const Runtime& runtime = host_.runtime.chosen.runtime;
    ContainerPlan container;
    container.runtime = &runtime;
    container.runtime_root = state_.runtime(runtime.name);
    container.id = sandbox.id();
    container.path = sandbox.path();
    container.directory = sandbox.directory();
    container.overlays = root_mounts(sandbox.path(), *plan);
    container.seccomp = seccomp->get();
    const StopDescriptor stopped(std::move(stop));
    container.stop = stopped.get();
    container.bundle.hostname = request.hostname;
    container.bundle.guest = host_.guest.string();
    container.bundle.read_only_paths = request.read_only_paths;
    container.bundle.cgroup_path = "/" + state_.group_prefix() + sandbox.id();
    container.bundle.limits = request.limits;
    container.bundle.controls = runtime.controls;
    if (request.egress == Egress::open) container.slirp = host_.slirp;
    return start_container(container);
}

Result<void> Sandboxes::start(const std::string& id, std::stop_token stop) const {
    if (stop.stop_requested()) return cancelled_error();
    auto sandbox = state_.lock(id, stop);
    if (!sandbox) return sandbox.error();
    auto record = sandbox->record();
    if (!record) return record.error();
    if (const auto run_record = sandbox->run_record(); run_record && open_process(run_record->guest)) return {};
    if (::faccessat(sandbox->directory(), captured_mark, F_OK, 0) == 0)
        return Error{ErrorClass::conflict,
                     "sandbox_captured",
                     "the sandbox was captured, and its writable layer is an image now",
                     "create another from it",
                     "",
                     {}};
    if (record->request.egress == Egress::open && host_.slirp.empty())
        return Error{ErrorClass::unsupported,
                     "egress_open_unsupported",
                     "this host cannot give a sandbox outbound access: " + host_.slirp_missing,
                     "install slirp4netns",
                     "",
                     {}};
    // A start that died in the middle, or a guest that ended.
    auto cleared = end_compute(*sandbox);
    if (cleared) cleared = clear_compute(*sandbox);
    if (!cleared) return cleared;

    Result<void> done{};
    auto started = run(*sandbox, *record, stop);
    if (!started) done = started.error();
    if (done && stop.stop_requested()) done = cancelled_error();
    if (done) done = sandbox->set_run_record({started->process, started->slirp});
    if (done) return {};
    if (started) end_process(started->pidfd);
    // The first error is the one to tell; what cannot be cleared now is cleared before the next start.
    static_cast<void>(end_compute(*sandbox));
    static_cast<void>(clear_compute(*sandbox));
    return done;
}

Result<void> Sandboxes::end_compute(const LockedSandbox& sandbox) const {
    const auto record = sandbox.run_record();
    if (!record) return remove_containers(sandbox.id()); // a start that did not end: only the runtime knows the process
    const FileHandle guest = open_process(record->guest);
    if (guest && !end_process(guest))
        return Error{ErrorClass::unavailable,
                     "guest_does_not_end",
                     "the sandbox " + sandbox.id() + " does not end",
                     "try again later",
                     "",
                     {}};
    return {};
}

Result<void> Sandboxes::remove_containers(const std::string& id) const {
    // Usually one runtime; another one when the choice changed while sandboxes were there.
    std::error_code error;
    const fs::path roots = state_.runtime("");
    for (fs::directory_iterator each(roots, error), end; !error && each != end; each.increment(error)) {
        const std::string name = each->path().filename();
        std::error_code ignored;
        if (!fs::exists(each->path() / id, ignored)) continue;
        Runtime runtime = host_.runtime.chosen.runtime;
        if (runtime.name != name) runtime = {name, find_program(name), "", {}, false};
        if (runtime.program.empty())
            return Error{ErrorClass::unsupported,
                         "runtime_not_found",
                         "the sandbox " + id + " was made with " + name + ", which is not installed",
                         "install it",
                         "",
                         {}};
        auto deleted = delete_container(runtime, each->path(), id);
        if (deleted) continue;
        // A power failure may have torn the runtime's own record, and then the runtime can do nothing. Where the kernel
        // says that nothing of the sandbox runs any more, the record is all that is left.
        if (runtime.without_cgroups || !host_.cgroups.remove(state_.group_prefix() + id, group_limit)) return deleted;
        auto root = open_directory(each->path());
        if (!root) return root.error();
        auto removed = remove_tree_at(root->get(), id);
        if (!removed) return removed;
    }
    return {};
}

Result<void> Sandboxes::clear_compute(const LockedSandbox& sandbox) const {
    auto removed = remove_containers(sandbox.id());
    if (!removed) return removed;
    if (!host_.cgroups.remove(state_.group_prefix() + sandbox.id(), group_limit))
        return Error{
            ErrorClass::unavailable, "group_busy", "the control group of the sandbox " + sandbox.id() + " cannot be removed",
            "try again later",       "",           {}};
    if (const auto record = sandbox.run_record(); record && record->slirp) {
        // It ends by itself when the sandbox does.
        const FileHandle slirp = open_process(*record->slirp);
        if (slirp && wait_for_exit(slirp, slirp_limit))
            collect(slirp);
        else if (slirp)
            end_process(slirp);
    }
    ::unlinkat(sandbox.directory(), guest_socket_name, 0);
    sandbox.clear_run_record();
    return {};
}

Result<void> Sandboxes::stop(const std::string& id, std::stop_token stop) const {
    auto sandbox = state_.lock(id, stop);
    if (!sandbox) return sandbox.error();
    auto done = end_compute(*sandbox);
    if (done) done = clear_compute(*sandbox);
    return done;
}

Result<void> Sandboxes::destroy(const std::string& id, std::stop_token stop) const {
    auto sandbox = state_.lock(id, stop);
    if (!sandbox) {
        if (sandbox.error().kind == ErrorClass::not_found) return {};
        return sandbox.error();
    }
    auto done = end_compute(*sandbox);
    if (done) done = clear_compute(*sandbox);
    if (!done) return done;
    return state_.remove(std::move(*sandbox));
}

Result<SandboxInfo> Sandboxes::inspect(const std::string& id) const {
    auto record = state_.record(id);
    if (!record) return record.error();
    return info(*record, state_.run_record(id));
}

bool Sandboxes::abandoned(const std::string& id) const {
    if (state_.exists(id)) return false;
    if (!id.starts_with(trial_prefix)) return true;
    // A trial of a runtime is locked for as long as its process lives.
    auto directory = open_directory(state_.cache() / id);
    return !directory || ::flock(directory->get(), LOCK_EX | LOCK_NB) == 0;
}

Result<void> Sandboxes::remove_leftovers(std::stop_token stop) const {
    auto swept = state_.sweep();
    if (!swept) return swept;
    std::vector<std::string> left;
    std::error_code error;
    for (fs::directory_iterator root(state_.runtime(""), error), end; !error && root != end; root.increment(error)) {
        std::error_code ignored;
        for (fs::directory_iterator each(root->path(), ignored); !ignored && each != end; each.increment(ignored))
            left.push_back(each->path().filename());
    }
    for (const auto& id : left) {
        if (!abandoned(id)) continue;
        static_cast<void>(remove_containers(id)); // what resists is tried again the next time; it is in nobody's way
        if (stop.stop_requested()) return cancelled_error();
    }
    for (const auto& group : host_.cgroups.groups(state_.group_prefix())) {
        const std::string id = group.substr(state_.group_prefix().size());
        if (abandoned(id)) host_.cgroups.remove(group, group_limit);
    }
    auto cache = open_directory(state_.cache());
    if (!cache) return cache.error();
    auto names = directory_names(cache->get());
    if (!names) return names.error();
    for (const auto& name : *names) {
        if (!name.starts_with(trial_prefix) || !abandoned(name)) continue;
        auto removed = remove_tree_at(cache->get(), name);
        if (!removed) return removed;
    }
    return {};
}

Result<std::vector<SandboxInfo>> Sandboxes::list(const std::map<std::string, std::string>& labels, std::stop_token stop) const {
    auto clean = remove_leftovers(stop);
    if (!clean) return clean.error();
    std::vector<SandboxInfo> result;
    for (const auto& id : state_.ids()) {
        if (stop.stop_requested()) return cancelled_error();
        auto record = state_.record(id);
        if (!record) {
            if (record.error().kind == ErrorClass::not_found) continue; // removed meanwhile
            // A record that cannot be read is no reason to destroy what it stands for, nor to deny that it is there.
            if (record.error().code != "sandbox_record_torn") {
                Error error = record.error();
                error.message = state_.sandbox(id).string() + ": " + error.message;
                error.remedy = "use the version of sandboxkit that wrote it, or remove that directory if nothing in it is wanted";
                return error;
            }
            // A power failure cut it short, and with it went what the sandbox had written.
            auto destroyed = destroy(id, stop);
            if (!destroyed) return destroyed.error();
            continue;
        }
        if (matches(*record, labels)) result.push_back(info(*record, state_.run_record(id)));
    }
    return result;
}

Result<Endpoint> Sandboxes::endpoint(const std::string& id) const {
    auto record = state_.record(id);
    if (!record) return record.error();
    const auto run_record = state_.run_record(id);
    if (!run_record || !open_process(run_record->guest))
        return Error{ErrorClass::conflict, "sandbox_not_running", "the sandbox " + id + " does not run", "start it", "", {}};
    Endpoint endpoint;
    endpoint.unix_socket = state_.sandbox(id) / guest_socket_name;
    return endpoint;
}

Result<CaptureResult> Sandboxes::capture(const std::string& id, const std::map<std::string, std::string>& labels,
                                         std::stop_token stop) const {
    const auto begin = std::chrono::steady_clock::now();
    auto sandbox = state_.lock(id, stop);
    if (!sandbox) return sandbox.error();
    auto record = sandbox->record();
    if (!record) return record.error();
    auto done = end_compute(*sandbox);
    if (!done) return done.error();
    // An image that no sandbox can start from is not made: whoever changed these directories is still there to be told.
    const WritableLayer layer = writable_layer(sandbox->path());
    auto plan = images_->root_plan(record->request.image_id);
    if (!plan) return plan.error();
    plan->root.insert(plan->root.begin(), layer.root_upper());
    done = check_directories(*plan);
    if (!done) {
        static_cast<void>(clear_compute(*sandbox));
        return done.error();
    }
    FileHandle mark(::openat(sandbox->directory(), captured_mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!mark) {
        if (errno == EEXIST)
            return Error{ErrorClass::conflict, "sandbox_captured", "the sandbox was captured before", "create another", "", {}};
        return system_error(errno, "cannot mark the sandbox as captured");
    }
    CaptureResult result;
    auto sealed = images_->seal(record->request.image_id, layer);
    if (!sealed) {
        // The layer is where it was: the sandbox can be started and captured again.
        ::unlinkat(sandbox->directory(), captured_mark, 0);
        static_cast<void>(clear_compute(*sandbox));
        return sealed.error();
    }
    result.sealed = since(begin);

    // The layer waits aside; what the compute left on the host need not wait for the disk.
    done = clear_compute(*sandbox);
    if (!done) return done.error();
    const auto sync_begin = std::chrono::steady_clock::now();
    auto image = images_->finish(*sealed, labels, stop);
    if (!image) return image.error();
    result.image = std::move(*image);
    result.synced = since(sync_begin);
    return result;
}

Result<void> Sandboxes::remove_image(const std::string& image_id) const {
    auto images = state_.lock_images(true);
    if (!images) return images.error();
    for (const auto& id : state_.ids()) {
        auto record = state_.record(id);
        if (record && record->request.image_id == image_id)
            return Error{ErrorClass::conflict,
                         "image_in_use",
                         "the sandbox " + id + " uses the image " + image_id,
                         "destroy the sandbox first",
                         "",
                         {}};
    }
    return images_->remove(image_id);
}

} // namespace sandboxkit::local
