// SPDX-License-Identifier: Apache-2.0
#include "providers/local/cgroup.hpp"
#include "providers/local/host_survey.hpp"
#include "providers/local/local_provider.hpp"
#include "providers/local/network_slirp.hpp"
#include "providers/local/program_path.hpp"
#include "providers/local/spawn.hpp"
#include "providers/local/tree_walk.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

using Status = DoctorCheck::Status;
using Checks = std::vector<DoctorCheck>;

constexpr std::uint64_t comfortable_bytes = 5ULL << 30;

void add(Checks& checks, std::string name, Status status, std::string message, std::string remedy = {}) {
    checks.push_back({std::move(name), status, std::move(message), std::move(remedy)});
}

void add_error(Checks& checks, std::string name, const Error& error) {
    std::string message = error.message;
    if (!error.detail.empty()) message += " (" + error.detail.substr(0, 300) + ")";
    for (char& c : message)
        if (c == '\n') c = ' ';
    add(checks, std::move(name), Status::missing, std::move(message), error.remedy);
}

// pidfd_getfd, which the network filter needs, is the newest call that nothing else stands in for.
void check_kernel(Checks& checks) {
    utsname name{};
    ::uname(&name);
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    if (major > 5 || (major == 5 && minor >= 10)) return add(checks, "kernel", Status::ok, "Linux " + std::string(name.release));
    add(checks, "kernel", Status::missing, "Linux " + std::string(name.release) + " is too old", "use Linux 5.10 or later");
}

// Where to try things: the state directory when there is one already. Otherwise a directory for the length of the trial,
// on the file system that the state directory would be made on.
class TrialDirectory {
public:
    static Result<TrialDirectory> make(const fs::path& state) {
        std::error_code error;
        fs::path nearest = fs::absolute(state, error);
        if (!error && fs::exists(nearest, error)) return TrialDirectory(nearest, false);
        while (nearest != nearest.parent_path() && !fs::exists(nearest, error)) nearest = nearest.parent_path();
        sweep(nearest);
        std::string name = (nearest / (std::string(prefix) + "XXXXXX")).string();
        if (!::mkdtemp(name.data())) return system_error(errno, "cannot make a directory in " + nearest.string());
        TrialDirectory made(name, true);
        auto lock = open_directory(name);
        if (!lock || ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return system_error(EBUSY, "cannot lock " + name);
        made.lock_ = std::move(*lock);
        return made;
    }
    TrialDirectory(TrialDirectory&& other) noexcept
        : path_(std::move(other.path_)), ours_(std::exchange(other.ours_, false)), lock_(std::move(other.lock_)) {}
    TrialDirectory& operator=(TrialDirectory&&) = delete;
    ~TrialDirectory() {
        std::error_code ignored;
        if (ours_) fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    static constexpr std::string_view prefix = ".sandboxkit-doctor-";

    TrialDirectory(fs::path path, bool ours) : path_(std::move(path)), ours_(ours) {}

    // A runtime outlives a doctor that was killed, and has the lock of its trial sandbox until it is done.
    static bool runtime_at_work(const fs::path& trial) {
        std::error_code error;
        for (fs::directory_iterator each(trial / "cache", error), end; !error && each != end; each.increment(error)) {
            const auto held = open_directory(each->path());
            if (held && ::flock(held->get(), LOCK_EX | LOCK_NB) != 0) return true;
        }
        return false;
    }

    // What a doctor that was killed left: its directory, which nobody holds any more, and what runs in its groups.
    static void sweep(const fs::path& parent) {
        std::error_code error;
        for (fs::directory_iterator each(parent, error), end; !error && each != end; each.increment(error)) {
            if (!each->path().filename().string().starts_with(prefix)) continue;
            const auto held = open_directory(each->path());
            struct stat status {};
            if (!held || ::fstat(held->get(), &status) != 0 || status.st_uid != ::geteuid()) continue;
            if (::flock(held->get(), LOCK_EX | LOCK_NB) != 0 || runtime_at_work(each->path())) continue;
            if (const auto state = StateDirectory::open(each->path())) {
                const auto groups = CgroupLayout::detect();
                for (const auto& group : groups.groups(state->group_prefix())) groups.remove(group, std::chrono::seconds(5));
            }
            std::error_code ignored;
            fs::remove_all(each->path(), ignored);
        }
    }

    fs::path path_;
    bool ours_;
    FileHandle lock_;
};

// Mounts an overlay as a sandbox would, in a namespace of its own that ends with the trial.
Result<void> try_overlay(const StateDirectory& state) {
    auto cache = open_directory(state.cache());
    if (!cache) return cache.error();
    const std::string name = "trial-overlay-" + random_name(8);
    const fs::path path = state.cache() / name;
    for (const char* each : {"", "lower", "upper", "work", "target"})
        if (::mkdir((path / each).c_str(), 0700) != 0) return system_error(errno, "cannot make a directory");
    SpawnPlan plan;
    plan.overlays.push_back(
        {(path / "target").string(), {(path / "lower").string()}, (path / "upper").string(), (path / "work").string()});
    Result<void> done{};
    auto child = spawn(plan);
    if (child) {
        wait_for_exit(child->pidfd, std::chrono::seconds(10));
        reap(*child);
    } else {
        done = child.error();
    }
    static_cast<void>(remove_tree_at(cache->get(), name)); // swept later if it stays
    return done;
}

void check_disk(Checks& checks, const fs::path& tried, const fs::path& meant) {
    struct statvfs system {};
    if (::statvfs(tried.c_str(), &system) != 0)
        return add_error(checks, "disk space", system_error(errno, "cannot look at the disk"));
    const std::uint64_t bytes = std::uint64_t{system.f_bavail} * system.f_frsize;
    const std::string text = std::to_string(bytes >> 20) + " MiB free for layers in " + meant.string();
    if (bytes >= comfortable_bytes) return add(checks, "disk space", Status::ok, text);
    add(checks, "disk space", Status::warning, text, "free some space, or choose another state directory");
}

// core(5): a limit of zero does not keep the kernel from a program that core_pattern pipes to.
void check_core_dumps(Checks& checks) {
    std::ifstream file("/proc/sys/kernel/core_pattern");
    std::string pattern;
    std::getline(file, pattern);
    if (!pattern.starts_with('|')) return add(checks, "core dumps", Status::ok, "none of what runs in a sandbox");
    add(checks, "core dumps", Status::warning, "a program of the host gets the memory of what crashes in a sandbox: " + pattern,
        "write a file name to /proc/sys/kernel/core_pattern if sandboxes run what you do not trust");
}

void check_limit(Checks& checks, const char* name, bool in_force, const std::string& groups) {
    if (in_force) return add(checks, name, Status::ok, "enforced by control groups (" + groups + ")");
    add(checks, name, Status::warning, "not enforced on this host (control groups: " + groups + "); sessions say so",
        "boot with the control group's controller enabled and mounted under /sys/fs/cgroup");
}

void check_runtimes(Checks& checks, const Result<Host>& host) {
    if (!host) return add_error(checks, "runtime", host.error());
    const RuntimeChoice& choice = host->runtime;
    std::string message = choice.chosen.runtime.name + " is used (" + choice.chosen.runtime.version + ")";
    for (const auto& each : choice.tried) {
        if (each.runtime.program == choice.chosen.runtime.program) continue;
        std::string why = each.works ? "it enforces fewer limits here" : each.failure.message;
        if (!each.failure.detail.empty()) why += ": " + each.failure.detail.substr(0, 200);
        for (char& c : why)
            if (c == '\n') c = ' ';
        message += "; " + each.runtime.name + " is not: " + why;
    }
    add(checks, "runtime", Status::ok, std::move(message));
    const std::string groups = host->cgroups.kind();
    check_limit(checks, "cpu limit", choice.chosen.in_force.cpu, groups);
    check_limit(checks, "memory limit", choice.chosen.in_force.memory, groups);
    check_limit(checks, "process limit", choice.chosen.in_force.processes, groups);
    add(checks, "seccomp", Status::ok, "the system call filter is compiled, and the guest loads it");
}

} // namespace

std::vector<DoctorCheck> doctor(const LocalOptions& options) {
    Checks checks;
    check_kernel(checks);
    check_core_dumps(checks);
    const auto root = check_root();
    if (root)
        add(checks, "privileges", Status::ok, "running as root");
    else
        add_error(checks, "privileges", root.error());

    const auto guest = check_guest(options.guest);
    if (guest)
        add(checks, "guest program", Status::ok, guest->string());
    else
        add_error(checks, "guest program", guest.error());

    const fs::path slirp = find_slirp();
    if (const std::string missing = egress_open_missing(slirp); missing.empty())
        add(checks, "outbound network", Status::ok, "slirp4netns (" + slirp.string() + ")");
    else
        add(checks, "outbound network", Status::warning, missing + ": sandboxes can have no network",
            slirp.empty() ? "install it (apt-get install slirp4netns)" : "load the module tun");

    if (!root) {
        add(checks, "overlayfs", Status::missing, "not tried without root privileges", "run the doctor as root");
        add(checks, "runtime", Status::missing, "not tried without root privileges", "run the doctor as root");
        return checks;
    }
    const auto trial = TrialDirectory::make(options.state_directory);
    if (!trial) {
        add_error(checks, "state directory", trial.error());
        return checks;
    }
    auto state = StateDirectory::open(trial->path());
    if (!state) {
        add_error(checks, "state directory", state.error());
        return checks;
    }
    add(checks, "state directory", Status::ok, options.state_directory.string());
    check_disk(checks, state->cache(), options.state_directory);
    const auto overlay = try_overlay(*state);
    if (overlay)
        add(checks, "overlayfs", Status::ok, "mounts, with a writable layer in the state directory");
    else
        add_error(checks, "overlayfs", overlay.error());
    check_runtimes(checks, survey_host({trial->path(), options.guest, options.runtime}, *state));
    return checks;
}

} // namespace sandboxkit::local
