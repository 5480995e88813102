// SPDX-License-Identifier: Apache-2.0
#include "providers/local/host_survey.hpp"

#include "providers/local/network_slirp.hpp"

#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

std::string controls_text(const CgroupControls& in_force) {
    std::string text;
    const auto add = [&](bool present, const char* name) {
        if (present) text += (text.empty() ? "" : ", ") + std::string(name);
    };
    add(in_force.cpu, "cpu");
    add(in_force.memory, "memory");
    add(in_force.swap, "swap");
    add(in_force.processes, "processes");
    return text.empty() ? "none" : text;
}

Capabilities capabilities_of(const Host& host) {
    const ProbeResult& chosen = host.runtime.chosen;
    Capabilities can;
    can.capture = true;
    can.stop_and_resume = true;
    can.capture_attributes = can.capture_holes = true;
    can.read_only_paths = true;
    can.egress_none = true;
    can.egress_open = !host.slirp.empty();
    can.cpu_limit = chosen.in_force.cpu;
    can.memory_limit = chosen.in_force.memory;
    can.process_limit = chosen.in_force.processes;
    can.disk_limit = false;
    can.image_kinds = {"host", "directory", "archive"};
    can.facts["runtime"] = chosen.runtime.name + " (" + chosen.runtime.version + ", " + chosen.runtime.program.string() + ")";
    can.facts["cgroup"] = host.cgroups.kind();
    can.facts["limits"] = controls_text(chosen.in_force);
    can.facts["seccomp"] =
        "filter of " + std::to_string(host.seccomp.program().size() / 8) + " instructions, loaded by the guest";
    can.facts["egress"] = host.slirp.empty() ? "none only: " + host.slirp_missing : "slirp4netns (" + host.slirp.string() + ")";
    can.facts["disk_limit"] = "not enforced: layers share the file system of the state directory";
    for (const auto& each : host.runtime.tried)
        if (each.runtime.program != chosen.runtime.program)
            can.facts["runtime." + each.runtime.name] =
                "not used: " + (each.works
                                    ? "limits in force: " + controls_text(each.in_force) +
                                          (each.failure.detail.empty() ? "" : "; " + each.failure.detail)
                                    : each.failure.message + (each.failure.detail.empty() ? "" : ": " + each.failure.detail));
    return can;
}

} // namespace

Result<void> check_root() {
    if (::geteuid() == 0) return {};
    return Error{ErrorClass::permission,
                 "needs_root",
                 "the local provider mounts file systems and starts containers, which needs root privileges",
                 "run as root (sudo), or use another provider",
                 "",
                 {}};
}

Result<fs::path> check_guest(const fs::path& guest) {
    std::error_code error;
    fs::path path = fs::canonical(guest, error);
    if (error || ::access(path.c_str(), X_OK) != 0 || !fs::is_regular_file(path, error))
        return Error{ErrorClass::not_found,
                     "guest_missing",
                     "the guest program " + shown(guest.string()) + " is not there, or not executable",
                     "install sandboxkit-guest, or say where it is",
                     "",
                     {}};
    return path;
}

std::string egress_open_missing(const fs::path& slirp) {
    if (slirp.empty()) return "slirp4netns is not installed";
    struct stat status {};
    if (::stat("/dev/net/tun", &status) != 0 || !S_ISCHR(status.st_mode)) return "the kernel has no tun devices (/dev/net/tun)";
    return {};
}

Result<Host> survey_host(const LocalOptions& options, const StateDirectory& state) {
    Host host;
    auto guest = check_guest(options.guest);
    if (!guest) return guest.error();
    host.guest = std::move(*guest);
    host.cgroups = CgroupLayout::detect();
    auto seccomp = SeccompFilter::load(state.cache());
    if (!seccomp) return seccomp.error();
    host.seccomp = std::move(*seccomp);
    auto runtime = choose_runtime({&state, &host.cgroups, &host.seccomp, host.guest, options.runtime});
    if (!runtime) return runtime.error();
    host.runtime = std::move(*runtime);
    host.slirp = find_slirp();
    host.slirp_missing = egress_open_missing(host.slirp);
    if (!host.slirp_missing.empty()) host.slirp.clear();
    host.capabilities = capabilities_of(host);
    return host;
}

} // namespace sandboxkit::local
