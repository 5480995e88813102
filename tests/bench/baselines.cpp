// SPDX-License-Identifier: Apache-2.0
#include "bench/baselines.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <stdexcept>

extern char** environ;

namespace sandboxkit::bench {

namespace fs = std::filesystem;

static std::string overlay_options(const std::vector<fs::path>& lowers, const fs::path& upper, const fs::path& work) {
    std::string options = "index=off,redirect_dir=off,metacopy=off,lowerdir=";
    for (std::size_t i = 0; i < lowers.size(); ++i) options += (i == 0 ? "" : ":") + lowers[i].string();
    return options + ",upperdir=" + upper.string() + ",workdir=" + work.string();
}

static void make_directories(const fs::path& scratch) {
    for (const char* name : {"merged", "upper", "work", "usr-upper", "usr-work"}) fs::create_directories(scratch / name);
}

MountedRoot::MountedRoot(const fs::path& scratch, const std::vector<fs::path>& root, const std::vector<fs::path>& usr)
    : scratch_(scratch), usr_(!usr.empty()) {
    make_directories(scratch);
    if (::mount("overlay", path().c_str(), "overlay", 0, overlay_options(root, scratch / "upper", scratch / "work").c_str()) != 0)
        throw std::runtime_error(std::string("overlay mount: ") + std::strerror(errno));
    if (usr_ && ::mount("overlay", (path() / "usr").c_str(), "overlay", 0,
                        overlay_options(usr, scratch / "usr-upper", scratch / "usr-work").c_str()) != 0)
        throw std::runtime_error(std::string("overlay mount of usr: ") + std::strerror(errno));
}

MountedRoot::~MountedRoot() {
    if (usr_) ::umount2((path() / "usr").c_str(), MNT_DETACH);
    ::umount2(path().c_str(), MNT_DETACH);
}

// Standard output goes to `output`, or nowhere.
static pid_t spawn(const std::vector<std::string>& argv, std::optional<int> output = {}) {
    std::vector<char*> arguments;
    for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (output)
        posix_spawn_file_actions_adddup2(&actions, *output, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error(argv[0] + ": " + std::strerror(failed));
    return pid;
}

static void wait_for(pid_t pid, const std::string& name) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (status != 0) throw std::runtime_error(name + " failed with wait status " + std::to_string(status));
}

Milliseconds spawn_and_wait(const std::vector<std::string>& argv) {
    return timed([&] { wait_for(spawn(argv), argv[0]); });
}

std::uint64_t spawn_and_read(const std::vector<std::string>& argv) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("pipe2: ") + std::strerror(errno));
    const pid_t pid = spawn(argv, ends[1]);
    ::close(ends[1]);
    static std::array<char, 64 << 10> buffer; // what a pipe holds
    std::uint64_t total = 0;
    for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) total += static_cast<std::uint64_t>(n);
    ::close(ends[0]);
    wait_for(pid, argv[0]);
    return total;
}

Milliseconds kernel_floor(const fs::path& scratch, const std::vector<fs::path>& root, const std::vector<fs::path>& usr) {
    make_directories(scratch);
    const std::string merged = scratch / "merged", merged_usr = merged + "/usr";
    const std::string options = overlay_options(root, scratch / "upper", scratch / "work");
    const std::string usr_options = usr.empty() ? "" : overlay_options(usr, scratch / "usr-upper", scratch / "usr-work");
    const auto begin = std::chrono::steady_clock::now();
    clone_args args{};
    args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_VFORK;
    args.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) throw std::runtime_error(std::string("clone3: ") + std::strerror(errno));
    if (pid == 0) {
        char* const argv[] = {const_cast<char*>("/bin/true"), nullptr};
        char* const env[] = {nullptr};
        if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) ::_exit(101);
        if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) ::_exit(102);
        if (!usr_options.empty() && ::mount("overlay", merged_usr.c_str(), "overlay", 0, usr_options.c_str()) != 0) ::_exit(103);
        if (::chdir(merged.c_str()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0) ::_exit(104);
        if (::umount2(".", MNT_DETACH) != 0) ::_exit(105);
        ::execve(argv[0], argv, env);
        ::_exit(106);
    }
    int status = 0;
    ::waitpid(static_cast<pid_t>(pid), &status, 0);
    const Milliseconds took = std::chrono::steady_clock::now() - begin;
    if (status != 0) throw std::runtime_error("the kernel floor failed with wait status " + std::to_string(status));
    return took;
}

} // namespace sandboxkit::bench
