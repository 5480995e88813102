// SPDX-License-Identifier: Apache-2.0
#include "providers/local/process_identity.hpp"

#include "providers/local/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxkit::local {

std::string kernel_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    file >> text;
    return text;
}

namespace {

struct Seen {
    ProcessIdentity identity;
    bool ended = false; // and not collected yet
};

std::optional<Seen> look_at(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    // A process that ends between the opening and the reading fails the read (ESRCH). That leaves the text empty here;
    // a stream iterator would throw.
    std::string text;
    std::getline(file, text, '\0');
    // The second field is a name in parentheses, which may hold anything.
    const auto name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(text.substr(name_end + 1));
    std::string state, skipped;
    fields >> state;
    for (int field = 4; field < 22; ++field) fields >> skipped;
    Seen seen{{pid, 0, kernel_boot_id()}, state == "Z" || state == "X"};
    fields >> seen.identity.start_time;
    if (!fields) return std::nullopt;
    return seen;
}

} // namespace

std::optional<ProcessIdentity> identify(pid_t pid) {
    const auto seen = look_at(pid);
    if (!seen || seen->ended) return std::nullopt;
    return seen->identity;
}

FileHandle open_process(const ProcessIdentity& identity) {
    if (identity.pid <= 0) return {};
    FileHandle handle(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
    if (!handle) return {};
    // The descriptor is held, so the number cannot change hands between the check and the use.
    const auto now = look_at(identity.pid);
    if (!now || now->identity.start_time != identity.start_time || now->identity.boot_id != identity.boot_id) return {};
    if (now->ended) {
        collect(handle);
        return {};
    }
    return handle;
}

void collect(const FileHandle& pidfd) {
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG);
}

bool end_process(const FileHandle& pidfd) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH) return false;
    if (!wait_for_exit(pidfd, std::chrono::seconds(30))) return false;
    collect(pidfd);
    return true;
}

} // namespace sandboxkit::local
