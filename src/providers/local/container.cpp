// SPDX-License-Identifier: Apache-2.0
#include "providers/local/container.hpp"

#include "providers/local/guest_socket.hpp"
#include "providers/local/network_filter.hpp"
#include "providers/local/network_slirp.hpp"
#include "providers/local/stop_descriptor.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string_view>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

constexpr const char* log_name = "guest.log";
constexpr std::chrono::seconds runtime_limit{60};
constexpr std::chrono::seconds guest_limit{10};
constexpr std::chrono::seconds network_limit{10};

Result<FileHandle> open_log(int directory, const char* name) {
    FileHandle log(::openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!log) return system_error(errno, "cannot open a log");
    return log;
}

Result<void> write_config(const fs::path& bundle, const std::string& config) {
    if (::mkdir(bundle.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, "cannot make the bundle");
    FileHandle file(::open((bundle / "config.json").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return system_error(errno, "cannot write the bundle");
    return write_all(file.get(), config, "cannot write the bundle");
}

std::vector<std::string> runtime_command(const Runtime& runtime, const fs::path& root, std::initializer_list<std::string> rest) {
    std::vector<std::string> command{runtime.program.string(), "--root", root.string()};
    if (runtime.without_cgroups) command.push_back("--cgroup-manager=disabled");
    command.insert(command.end(), rest);
    return command;
}

std::optional<pid_t> read_pid(const fs::path& path) {
    std::ifstream file(path);
    pid_t pid = -1;
    if (file >> pid && pid > 0) return pid;
    return std::nullopt;
}

Error runtime_failed(const Runtime& runtime, const std::string& what, std::string detail) {
    return {ErrorClass::unavailable,
            "runtime_failed",
            runtime.name + " could not start the sandbox" + what,
            "see the detail, and sandboxkit doctor",
            std::move(detail),
            {}};
}

// Runs the runtime until it has detached from the guest.
Result<void> run_runtime(const ContainerPlan& plan, const std::vector<int>& descriptors) {
    const Runtime& runtime = *plan.runtime;
    SpawnPlan spawning;
    spawning.overlays = plan.overlays;
    spawning.root = (plan.path / "rootfs").string();
    for (const auto& each : plan.bundle.read_only_paths) spawning.required.push_back(each.substr(1));
    // The lock comes last: the runtime has it, the guest does not.
    const std::size_t preserved = descriptors.size() - 4;
    spawning.arguments = runtime_command(runtime, plan.runtime_root,
                                         {"run", "--detach", "--bundle", (plan.path / "bundle").string(), "--preserve-fds",
                                          std::to_string(preserved), "--pid-file", (plan.path / "pid").string(), plan.id});
    spawning.descriptors = descriptors;
    auto child = spawn(spawning);
    if (!child) return child.error();
    if (!wait_for_exit(child->pidfd, runtime_limit, plan.stop)) {
        ::kill(-child->pid, SIGKILL);
        wait_for_exit(child->pidfd, runtime_limit);
        reap(*child);
        if (is_signalled(plan.stop)) return cancelled_error();
        return Error{ErrorClass::timeout, "runtime_timeout",           runtime.name + " did not start the sandbox in time",
                     "see the detail",    tail_of_log(plan.directory), {}};
    }
    const ExitStatus status = reap(*child);
    if (status.known && !status.success()) {
        const std::string how = status.signal != 0 ? " (signal " + std::to_string(status.signal) + ")"
                                                   : " (exit code " + std::to_string(status.code) + ")";
        return runtime_failed(runtime, how, tail_of_log(plan.directory));
    }
    return {};
}

Result<StartedContainer> adopt(const ContainerPlan& plan) {
    const auto pid = read_pid(plan.path / "pid");
    if (!pid) return runtime_failed(*plan.runtime, ": it left no process id", tail_of_log(plan.directory));
    StartedContainer started;
    const auto identity = identify(*pid);
    if (identity) started.pidfd = open_process(*identity);
    if (!identity || !started.pidfd)
        return Error{ErrorClass::unavailable,           "guest_died",
                     "the guest program ended at once", "see the detail",
                     tail_of_log(plan.directory),       {}};
    started.process = *identity;
    return started;
}

Result<void> connect_network(const ContainerPlan& plan, StartedContainer& started, int exit_descriptor) {
    auto log = open_log(plan.directory, "network.log");
    if (!log) return log.error();
    SlirpPlan slirp{plan.slirp, started.process.pid, &started.pidfd, exit_descriptor, log->get(), plan.stop};
    auto pid = start_slirp(slirp, network_limit);
    if (!pid) return pid.error();
    started.slirp = identify(*pid);
    return {};
}

std::uint64_t hard_limit_of_open_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    return limit.rlim_max;
}

} // namespace

Result<StartedContainer> start_container(const ContainerPlan& plan) {
    const bool network = !plan.slirp.empty();
    auto listening = listen_for_guest(plan.directory);
    if (!listening) return listening.error();
    auto log = open_log(plan.directory, log_name);
    if (!log) return log.error();
    FileHandle null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) return system_error(errno, "cannot open /dev/null");
    ::unlinkat(plan.directory, "pid", 0);

    BundleDescription bundle = plan.bundle;
    bundle.root = (plan.path / "rootfs").string();
    bundle.open_files_hard = hard_limit_of_open_files();
    bundle.no_ipv6 = network;
    bundle.arguments = {"--listen-fd", "3", "--seccomp-fd", "4"};
    std::vector<int> descriptors{null.get(), log->get(), log->get(), listening->get(), plan.seccomp};
    FileHandle hold_reader, hold_writer;
    if (network) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot make a pipe");
        hold_reader.reset(ends[0]);
        hold_writer.reset(ends[1]);
        bundle.arguments.insert(bundle.arguments.end(), {"--hold-fd", "5"});
        descriptors.push_back(hold_writer.get());
    }
    descriptors.push_back(plan.directory);

    auto written = write_config(plan.path / "bundle", oci_config(bundle));
    if (!written) return written.error();
    auto run = run_runtime(plan, descriptors);
    // From here on only the guest has these: a guest that is gone refuses connections, and its network ends.
    listening->reset();
    hold_writer.reset();
    if (!run) return run.error();

    auto started = adopt(plan);
    if (!started) return started;
    Result<void> ready{};
    if (network) ready = connect_network(plan, *started, hold_reader.get());
    if (ready) ready = wait_for_guest(plan.directory, started->pidfd, guest_limit, plan.stop);
    if (!ready) {
        end_process(started->pidfd);
        Error error = ready.error();
        if (error.detail.empty()) error.detail = tail_of_log(plan.directory);
        return error;
    }
    return started;
}

Result<void> delete_container(const Runtime& runtime, const fs::path& runtime_root, const std::string& id) {
    std::error_code error;
    if (!fs::exists(runtime_root / id, error)) return {};
    auto deleted = run_program(runtime_command(runtime, runtime_root, {"delete", "--force", id}), runtime_limit);
    if (!deleted) return deleted.error();
    if (fs::exists(runtime_root / id, error))
        return Error{ErrorClass::internal, "runtime_delete_failed", runtime.name + " could not remove a container",
                     "see the detail",     deleted->output,         {}};
    return {};
}

std::string tail_of_log(int directory) {
    constexpr off_t kept = 4096;
    FileHandle file(::openat(directory, log_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return {};
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    std::string text(static_cast<std::size_t>(std::min<off_t>(std::max<off_t>(size, 0), kept)), '\0');
    const ssize_t count = ::pread(file.get(), text.data(), text.size(), std::max<off_t>(size - kept, 0));
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return text;
}

} // namespace sandboxkit::local
