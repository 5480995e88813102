// SPDX-License-Identifier: Apache-2.0
#include "providers/local/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The child runs on a foreign stack in the parent's memory: the sanitizers' bookkeeping must not see it.
#define SANDBOXKIT_IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

// The C library's other name of clone. The thread sanitizer takes over the first and treats the child as a fork with memory of
// its own, which this one has not.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);

namespace sandboxkit::local {
namespace {

enum class Step : int {
    none,
    session,
    propagation,
    descriptors_directory,
    open_layer,
    options,
    overlay,
    required_path,
    root_directory,
    duplicate,
    place,
    fork_again,
    execute,
};

struct ChildMount {
    const char* target;
    const char* const* directories; // the lowers, upper, work
    std::size_t count;
};

// mount(2) takes options of one page.
constexpr std::size_t options_size = 4096;

// Everything the child needs, in the parent's memory; the child writes only the last members.
struct ChildTask {
    const ChildMount* mounts;
    std::size_t mount_count;
    bool private_mounts;
    char* options; // options_size bytes
    const char* root;
    const char* const* required;
    std::size_t required_count;
    char* const* arguments; // null: nothing to run
    char* const* environment;
    int* descriptors; // overwritten with duplicates
    std::size_t descriptor_count;
    bool orphan;
    void* second_stack; // its top
    // Results.
    volatile int step;
    volatile int error_number;
    volatile std::size_t index;
    volatile pid_t orphan_pid;
};

constexpr std::size_t stack_bytes = 64 * 1024;

// As the kernel defines it; glibc's struct sigaction is another.
struct KernelAction {
    void* handler;
    unsigned long flags;
    void* restorer;
    std::uint64_t mask;
};

SANDBOXKIT_IN_CHILD int child_failed(ChildTask* task, Step step, std::size_t index) {
    task->error_number = errno;
    task->index = index;
    task->step = static_cast<int>(step);
    syscall(SYS_exit, 127);
    return 127;
}

SANDBOXKIT_IN_CHILD int child_execute(void* argument) {
    auto* task = static_cast<ChildTask*>(argument);
    // Above every number that will be used, so that no placement closes a later source.
    for (std::size_t i = 0; i < task->descriptor_count; ++i) {
        const long copy = syscall(SYS_fcntl, task->descriptors[i], F_DUPFD_CLOEXEC, 64L);
        if (copy < 0) return child_failed(task, Step::duplicate, i);
        task->descriptors[i] = static_cast<int>(copy);
    }
    // dup3 without flags clears close-on-exec, which dup2 of a descriptor onto itself would not.
    for (std::size_t i = 0; i < task->descriptor_count; ++i)
        if (syscall(SYS_dup3, task->descriptors[i], static_cast<int>(i), 0) < 0) return child_failed(task, Step::place, i);
    // What the host application left open without close-on-exec is not the program's business. Old kernels lack this:
    // then only our own descriptors are guaranteed to be closed.
    syscall(SYS_close_range, static_cast<unsigned>(task->descriptor_count), ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
    const KernelAction default_action{};
    for (int number = 1; number < 65; ++number)
        syscall(SYS_rt_sigaction, number, &default_action, nullptr, sizeof(std::uint64_t));
    const std::uint64_t no_signals = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
    syscall(SYS_execve, task->arguments[0], task->arguments, task->environment);
    return child_failed(task, Step::execute, 0);
}

// The text of a mount's options, put together without the C library.
struct ChildText {
    char* bytes;
    std::size_t size;
    bool full;
};

SANDBOXKIT_IN_CHILD void append(ChildText* text, const char* more) {
    for (; *more != '\0'; ++more) {
        if (text->size + 1 >= options_size) {
            text->full = true;
            return;
        }
        text->bytes[text->size++] = *more;
    }
    text->bytes[text->size] = '\0';
}

SANDBOXKIT_IN_CHILD void append_number(ChildText* text, long number) {
    char digits[24];
    int at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    append(text, digits + at);
}

// The directories are named by descriptors: short, whatever their paths, and free of the characters that overlayfs
// quotes. They must be opened here: overlayfs takes only mounts of the namespace that it is mounted in.
SANDBOXKIT_IN_CHILD void mount_overlay(ChildTask* task, std::size_t index) {
    const ChildMount* mount = &task->mounts[index];
    ChildText text;
    text.bytes = task->options;
    text.size = 0;
    text.full = false;
    for (std::size_t i = 0; i < mount->count; ++i) {
        const long directory = syscall(SYS_openat, AT_FDCWD, mount->directories[i], O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (directory < 0) child_failed(task, Step::open_layer, index);
        append(&text, i == 0 ? "lowerdir=" : i + 2 == mount->count ? ",upperdir=" : i + 1 == mount->count ? ",workdir=" : ":");
        append_number(&text, directory);
    }
    // volatile: nothing is synced when the mount goes, which would take as long as the layer is big. What has to be durable
    // is synced by the image store, at capture.
    append(&text, ",index=off,redirect_dir=off,metacopy=off,volatile");
    if (text.full) child_failed(task, Step::options, index);
    if (syscall(SYS_mount, "overlay", mount->target, "overlay", MS_NODEV, task->options) < 0)
        child_failed(task, Step::overlay, index);
}

SANDBOXKIT_IN_CHILD int child_main(void* argument) {
    auto* task = static_cast<ChildTask*>(argument);
    if (syscall(SYS_setsid) < 0) return child_failed(task, Step::session, 0);
    if (task->private_mounts) {
        if (syscall(SYS_mount, "none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
            return child_failed(task, Step::propagation, 0);
    }
    if (task->mount_count != 0) {
        if (syscall(SYS_chdir, "/proc/self/fd") < 0) return child_failed(task, Step::descriptors_directory, 0);
        for (std::size_t i = 0; i < task->mount_count; ++i) mount_overlay(task, i);
    }
    if (task->required_count != 0) {
        const long root = syscall(SYS_openat, AT_FDCWD, task->root, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
        if (root < 0) return child_failed(task, Step::required_path, 0);
        open_how how;
        how.flags = O_PATH | O_CLOEXEC;
        how.mode = 0;
        how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
        for (std::size_t i = 0; i < task->required_count; ++i) {
            const long found = syscall(SYS_openat2, root, task->required[i], &how, sizeof how);
            if (found < 0) return child_failed(task, Step::required_path, i);
            syscall(SYS_close, found);
        }
        syscall(SYS_close, root);
    }
    if (syscall(SYS_chdir, "/") < 0) return child_failed(task, Step::root_directory, 0);
    if (task->arguments == nullptr) {
        syscall(SYS_exit, 0);
        return 0;
    }
    if (!task->orphan) return child_execute(argument);
    const int pid = ::__clone(child_execute, task->second_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
    if (pid < 0) return child_failed(task, Step::fork_again, 0);
    task->orphan_pid = pid;
    syscall(SYS_exit, 0);
    return 0;
}

std::string describe(const ChildTask& task, const SpawnPlan& plan) {
    switch (static_cast<Step>(task.step)) {
    case Step::none: break;
    case Step::session: return "make a session for " + plan.arguments[0];
    case Step::propagation: return "make the mount namespace private";
    case Step::descriptors_directory: return "enter /proc/self/fd";
    case Step::open_layer: return "open a layer of " + plan.overlays[task.index].target;
    case Step::options: return "name the layers of " + plan.overlays[task.index].target;
    case Step::overlay: return "mount overlayfs on " + plan.overlays[task.index].target;
    case Step::required_path: return "find the read-only path /" + plan.required[task.index];
    case Step::root_directory: return "enter /";
    case Step::duplicate: return "duplicate a descriptor";
    case Step::place: return "place a descriptor";
    case Step::fork_again: return "detach " + plan.arguments[0];
    case Step::execute: return "execute " + plan.arguments[0];
    }
    return "start a program";
}

Error child_error(const ChildTask& task, const SpawnPlan& plan) {
    const int number = task.error_number;
    if (static_cast<Step>(task.step) == Step::required_path &&
        (number == ENOENT || number == ENOTDIR || number == ELOOP || number == EXDEV)) {
        const std::string path = "/" + plan.required[task.index];
        return {ErrorClass::unsupported,
                "read_only_path_missing",
                "the read-only path " + path + " is not in the image, or a symbolic link leads there",
                "name a path that the image has",
                std::strerror(number),
                {}};
    }
    if (static_cast<Step>(task.step) == Step::options)
        return {ErrorClass::unsupported,
                "too_many_layers",
                "the image has more layers than overlayfs takes",
                "flatten the image",
                "",
                {}};
    if (static_cast<Step>(task.step) == Step::overlay && number == EBUSY)
        return {ErrorClass::conflict,
                "layer_in_use",
                "the writable layer of " + plan.overlays[task.index].target + " is still mounted elsewhere",
                "stop what uses it",
                std::strerror(number),
                {}};
    return system_error(number, "cannot " + describe(task, plan));
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const auto& each : strings) result.push_back(const_cast<char*>(each.c_str()));
    result.push_back(nullptr);
    return result;
}

FileHandle pidfd_open(pid_t pid) {
    return FileHandle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

} // namespace

Result<Spawned> spawn(const SpawnPlan& plan) {
    std::vector<std::vector<const char*>> directories;
    for (const auto& each : plan.overlays) {
        auto& list = directories.emplace_back();
        for (const auto& lower : each.lowers) list.push_back(lower.c_str());
        list.push_back(each.upper.c_str());
        list.push_back(each.work.c_str());
    }
    std::vector<ChildMount> mounts;
    for (std::size_t i = 0; i < directories.size(); ++i)
        mounts.push_back({plan.overlays[i].target.c_str(), directories[i].data(), directories[i].size()});
    std::string options(options_size, '\0');
    std::vector<char*> required = pointers(plan.required);
    std::vector<char*> arguments = pointers(plan.arguments);
    std::vector<char*> environment = pointers(plan.environment);
    std::vector<int> descriptors = plan.descriptors;

    void* stacks = ::mmap(nullptr, 2 * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED) return system_error(errno, "cannot map a stack");
    auto* stack = static_cast<char*>(stacks);

    ChildTask task{};
    task.mounts = mounts.data();
    task.mount_count = mounts.size();
    task.private_mounts = plan.private_mounts || !mounts.empty();
    task.options = options.data();
    task.root = plan.root.c_str();
    task.required = required.data();
    task.required_count = plan.required.size();
    task.arguments = plan.arguments.empty() ? nullptr : arguments.data();
    task.environment = environment.data();
    task.descriptors = descriptors.data();
    task.descriptor_count = descriptors.size();
    task.orphan = plan.orphan;
    task.second_stack = stack + 2 * stack_bytes;

    // No handler of the host application may run in the child.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    const int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (task.private_mounts ? CLONE_NEWNS : 0);
    const int pid = ::__clone(child_main, stack + stack_bytes, flags, &task, &pidfd);
    const int clone_error = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::munmap(stacks, 2 * stack_bytes);
    if (pid < 0) return system_error(clone_error, "cannot start a process");

    Spawned child{pid, FileHandle(pidfd)};
    if (task.step != static_cast<int>(Step::none)) {
        wait_for_exit(child.pidfd, std::chrono::seconds(10));
        reap(child);
        return child_error(task, plan);
    }
    if (!plan.orphan) return child;
    wait_for_exit(child.pidfd, std::chrono::seconds(10));
    reap(child);
    Spawned orphan{task.orphan_pid, pidfd_open(task.orphan_pid)};
    return orphan;
}

bool wait_for_exit(const FileHandle& pidfd, std::chrono::milliseconds limit, int stop) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        std::array<pollfd, 2> waiting{pollfd{pidfd.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready > 0) return waiting[0].revents != 0;
        if (ready == 0) return false;
        if (errno != EINTR) return false;
    }
}

ExitStatus reap(const Spawned& child) {
    siginfo_t info{};
    int result = 0;
    do {
        result = ::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED);
    } while (result < 0 && errno == EINTR);
    if (result < 0) return {};
    if (info.si_code == CLD_EXITED) return {true, info.si_status, 0};
    return {true, 0, info.si_status};
}

Result<ProgramResult> run_program(std::vector<std::string> arguments, std::chrono::milliseconds limit) {
    constexpr std::size_t kept = 64 * 1024;
    FileHandle null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    std::array<int, 2> ends{};
    if (!null || ::pipe2(ends.data(), O_CLOEXEC) < 0) return system_error(errno, "cannot make a pipe");
    FileHandle reader(ends[0]), writer(ends[1]);

    SpawnPlan plan;
    plan.arguments = std::move(arguments);
    plan.descriptors = {null.get(), writer.get(), writer.get()};
    auto child = spawn(plan);
    if (!child) return child.error();
    writer.reset();

    ProgramResult result;
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd waiting{reader.get(), POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        std::array<char, 4096> buffer{};
        const ssize_t count = ::read(reader.get(), buffer.data(), buffer.size());
        if (count <= 0) break;
        const std::size_t room = kept - std::min(kept, result.output.size());
        result.output.append(buffer.data(), std::min(room, static_cast<std::size_t>(count)));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (!wait_for_exit(child->pidfd, std::max(left, std::chrono::milliseconds(0)))) {
        ::kill(-child->pid, SIGKILL); // its whole session group
        wait_for_exit(child->pidfd, std::chrono::seconds(10));
        reap(*child);
        return Error{ErrorClass::timeout, "program_timeout", plan.arguments[0] + " did not end in time", "", result.output, {}};
    }
    result.status = reap(*child);
    return result;
}

} // namespace sandboxkit::local
