// SPDX-License-Identifier: Apache-2.0
#include "guest/spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

namespace sandboxkit::guest {
namespace {

enum class Stage : std::uint8_t { descriptors, credentials, working_directory };

// What the child writes when it fails; when its program begins, the pipe is closed.
struct Report {
    Stage stage;
    int error;
};

struct Child {
    const char* cmd;
    const char* const* candidates; // paths to try, then a null
    const char* const* argv;
    const char* const* shell_argv; // argv for a script without a first line, behind two free places
    const char* const* envp;
    const char* cwd;
    const Identity* user;
    const SpawnSettings* settings;
    std::array<int, 3> standard;
    bool terminal;
    bool set_credentials;
    int report;
};

// The child only makes system calls: what it needs is made before, and what goes wrong can be told.
[[noreturn]] void execute(const Child& child) {
    int error = ENOENT;
    for (const char* const* path = child.candidates; *path != nullptr; ++path) {
        ::syscall(SYS_execve, *path, child.argv, child.envp);
        if (errno == ENOEXEC) {
            // A script that does not say its interpreter, as execvp(3).
            auto* argv = const_cast<const char**>(child.shell_argv);
            argv[0] = "/bin/sh";
            argv[1] = *path;
            ::syscall(SYS_execve, argv[0], argv, child.envp);
            error = ENOEXEC;
            break;
        }
        if (errno == ENOENT || errno == ENOTDIR) continue;
        error = errno;
        if (errno != EACCES) break;
    }
    const char* description = strerrordesc_np(error);
    if (description == nullptr) description = "cannot be executed";
    const auto part = [](const char* text) { return iovec{const_cast<char*>(text), __builtin_strlen(text)}; };
    const iovec message[] = {part("sandboxkit-guest: '"), part(child.cmd), part("': "), part(description), part("\n")};
    ::syscall(SYS_writev, 2, message, 5);
    ::syscall(SYS_exit_group, error == ENOENT || error == ENOTDIR ? 127 : 126);
    __builtin_unreachable();
}

[[noreturn]] void run_child(const Child& child) {
    const auto fail = [&](Stage stage) {
        const Report report{stage, errno};
        ::syscall(SYS_write, child.report, &report, sizeof report);
        ::syscall(SYS_exit_group, 125);
    };

    ::syscall(SYS_setsid);
    // Dispositions and mask are inherited by execve; a program expects the defaults. This one ignores two (see
    // program.cpp). The kernel's own struct is all zeros for the default.
    const unsigned long kernel_sigaction[8] = {};
    ::syscall(SYS_rt_sigaction, SIGPIPE, kernel_sigaction, nullptr, 8);
    ::syscall(SYS_rt_sigaction, SIGXFSZ, kernel_sigaction, nullptr, 8);
    const unsigned long no_signals = 0;
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, 8);

    // Best effort: /proc may be missing.
    const long score = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        ::syscall(SYS_write, score, child.settings->out_of_memory_score.data(), child.settings->out_of_memory_score.size());
        ::syscall(SYS_close, score);
    }
    ::syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &child.settings->open_files, nullptr);

    for (int i = 0; i < 3; ++i)
        if (::syscall(SYS_dup3, child.standard[static_cast<std::size_t>(i)], i, 0) < 0) fail(Stage::descriptors);
    if (child.terminal && ::syscall(SYS_ioctl, 0, TIOCSCTTY, 0) < 0) fail(Stage::descriptors);
    // All descriptors of this program are close-on-exec already; where a filter denies this call nothing is lost.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);

    if (child.set_credentials) {
        const Identity& user = *child.user;
        // A user namespace may forbid to set groups; for the user that this program is anyway that takes nothing away.
        if (::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) < 0 &&
            !(errno == EPERM && static_cast<uid_t>(::syscall(SYS_getuid)) == user.uid))
            fail(Stage::credentials);
        if (::syscall(SYS_setresgid, user.gid, user.gid, user.gid) < 0) fail(Stage::credentials);
        if (::syscall(SYS_setresuid, user.uid, user.uid, user.uid) < 0) fail(Stage::credentials);
    }
    if (::syscall(SYS_chdir, child.cwd) < 0) fail(Stage::working_directory);
    execute(child);
}

// The paths to try for a command, as execvp(3): it is not looked up when it has a slash.
std::vector<std::string> candidates_of(const std::string& cmd, const Environment& environment) {
    if (cmd.find('/') != std::string::npos) return {cmd};
    std::vector<std::string> candidates;
    const auto path = environment.find("PATH");
    std::string_view rest = path != environment.end() ? std::string_view(path->second) : std::string_view();
    for (;;) {
        const std::size_t colon = rest.find(':');
        const std::string_view directory = rest.substr(0, colon);
        // An empty entry is the working directory.
        candidates.push_back(directory.empty() ? "./" + cmd : std::string(directory) + "/" + cmd);
        if (colon == std::string_view::npos) return candidates;
        rest.remove_prefix(colon + 1);
    }
}

std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> list;
    list.reserve(strings.size() + 1);
    for (const std::string& text : strings) list.push_back(text.c_str());
    list.push_back(nullptr);
    return list;
}

// Whether the child must change what it inherits: the calls fail in a user namespace that may not set groups,
// also where there is nothing to change.
bool needs_credentials(const Identity& user) {
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    if (::getresuid(&real, &effective, &saved) != 0 || real != user.uid || effective != user.uid || saved != user.uid)
        return true;
    gid_t real_group = 0;
    gid_t effective_group = 0;
    gid_t saved_group = 0;
    if (::getresgid(&real_group, &effective_group, &saved_group) != 0 || real_group != user.gid || effective_group != user.gid ||
        saved_group != user.gid)
        return true;
    const int count = ::getgroups(0, nullptr);
    std::vector<gid_t> have(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0 && ::getgroups(count, have.data()) != count) return true;
    // No supplementary group is as good as only the primary one.
    if (have.empty() && user.groups.size() <= 1) return false;
    std::vector<gid_t> want = user.groups;
    std::sort(have.begin(), have.end());
    std::sort(want.begin(), want.end());
    return have != want;
}

} // namespace

Answer<Spawned> spawn(const SpawnRequest& request, const SpawnSettings& settings) {
    const std::vector<std::string> candidates = candidates_of(request.cmd, request.environment);
    std::vector<std::string> environment;
    environment.reserve(request.environment.size());
    for (const auto& [name, value] : request.environment) environment.push_back(name + "=" + value);

    const std::vector<const char*> candidate_pointers = pointers(candidates);
    const std::vector<const char*> envp = pointers(environment);
    std::vector<const char*> argv = pointers(request.args);
    argv.insert(argv.begin(), request.cmd.c_str());
    std::vector<const char*> shell_argv = pointers(request.args);
    shell_argv.insert(shell_argv.begin(), 2, nullptr);

    Child child{};
    child.cmd = request.cmd.c_str();
    child.candidates = candidate_pointers.data();
    child.argv = argv.data();
    child.shell_argv = shell_argv.data();
    child.envp = envp.data();
    child.cwd = request.cwd.c_str();
    child.user = &request.user;
    child.settings = &settings;
    child.standard = {request.standard_input, request.standard_output, request.standard_error};
    child.terminal = request.terminal;
    child.set_credentials = needs_credentials(request.user);

    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return RpcError{Code::resource_exhausted, "cannot start another process: " + std::string(describe(errno))};
    FileDescriptor report(ends[0]);
    const FileDescriptor childs_end(ends[1]);
    child.report = childs_end.get();

    // As fork(2), without what the C library does in the child for one that goes on: each page it touches is copied.
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (pid == 0) run_child(child);
    if (pid < 0) {
        const int error = errno;
        return RpcError{Code::resource_exhausted,
                        "cannot start another process: " +
                            std::string(error == EAGAIN ? "the limit of processes is reached" : describe(error))};
    }
    return Spawned{pid, std::move(report)};
}

Answer<bool> read_report(int pipe, const std::string& cwd, const std::string& user) {
    Report report{};
    const ssize_t n = ::read(pipe, &report, sizeof report);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n != sizeof report) return true;
    switch (report.stage) {
    case Stage::working_directory: {
        RpcError error = system_error(report.error, "cwd '" + cwd + "'");
        error.code = Code::invalid_argument;
        return error;
    }
    case Stage::credentials:
        return RpcError{Code::permission_denied, "cannot become user '" + user + "': " + std::string(describe(report.error))};
    case Stage::descriptors: break;
    }
    return system_error(report.error, "cannot start the process");
}

} // namespace sandboxkit::guest
