// SPDX-License-Identifier: Apache-2.0
#include "guest/tree_worker.hpp"

#include "guest/file_descriptor.hpp"
#include "guest/paths.hpp"
#include "tree/tree_unpacker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <exception>
#include <utility>

namespace sandboxkit::guest {
namespace {

using Report = TreeWorker::Report;
using tree::TreeFailure;
using tree::TreePacker;
using tree::TreeUnpacker;

// Where the child finds its ends.
constexpr int archive_place = 0, report_place = 1;

// What fits on the disk may come.
constexpr TreeLimits guest_limits{tree::tree_entry_limit, ~std::uint64_t{0}, ~std::uint64_t{0}};

static_assert(sizeof(Report) <= PIPE_BUF, "a report is written in one piece");

void send(Report::Kind kind, const TreeFailure& failure, const tree::TreeCount& count) {
    Report report;
    report.kind = kind;
    report.error = failure.error;
    report.count = count;
    report.length = static_cast<std::uint32_t>(std::min(failure.message.size(), report.text.size()));
    std::memcpy(report.text.data(), failure.message.data(), report.length);
    // Who does not read it is gone.
    [[maybe_unused]] const ssize_t ignored = ::write(report_place, &report, sizeof report);
}

TreeFailure open_root(const std::string& path, FileDescriptor& root) {
    const auto refused = [&](int error, const char* what) {
        return TreeFailure{error, "error " + std::string(what) + " '" + path + "': " + std::string(describe(error))};
    };
    if (const int error = make_directories(path); error != 0) return refused(error, "creating");
    root.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return root ? TreeFailure{} : refused(errno, "opening");
}

TreeFailure unpack(TreeUnpacker& unpacker) {
    std::array<char, 64 << 10> piece;
    for (;;) {
        const ssize_t n = ::read(archive_place, piece.data(), piece.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {errno, "error reading the archive: " + std::string(describe(errno))};
        if (n == 0) return unpacker.finish();
        auto failure = unpacker.feed(std::string_view(piece.data(), static_cast<std::size_t>(n)));
        if (failure.error != 0) return failure;
    }
}

TreeFailure write_archive(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(archive_place, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {errno, "error writing the archive: " + std::string(describe(errno))};
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

TreeFailure pack(const std::string& path, tree::TreeCount& count) {
    const OwnerNames names;
    bool begun = false;
    TreePacker packer(
        [&begun](std::string_view bytes) {
            if (!std::exchange(begun, true)) send(Report::Kind::begun, {}, {});
            return write_archive(bytes);
        },
        [&names](const struct stat& status, tree::TarEntry& entry) {
            entry.uid = status.st_uid;
            entry.gid = status.st_gid;
            // A number is not a name.
            if (entry.user = names.user(status.st_uid); entry.user == std::to_string(status.st_uid)) entry.user.clear();
            if (entry.group = names.group(status.st_gid); entry.group == std::to_string(status.st_gid)) entry.group.clear();
        });
    auto failure = packer.pack(path);
    count = packer.count();
    return failure;
}

void work_as(const Identity& user, pid_t parent, TreeWorker::Work work, const std::string& path) {
    if (const int error = become(user); error != 0)
        return send(Report::Kind::failed, {error, "cannot become user '" + user.name + "': " + std::string(describe(error))}, {});
    // Only now: another user's process forgets it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) return;
    TreeFailure failure;
    tree::TreeCount count;
    if (work == TreeWorker::Work::pack) {
        failure = pack(path, count);
    } else {
        FileDescriptor root;
        failure = open_root(path, root);
        TreeUnpacker unpacker(std::move(root), {::geteuid() == 0, false, guest_limits});
        if (failure.error == 0) failure = unpack(unpacker);
        count = unpacker.count();
    }
    send(failure.error == 0 ? Report::Kind::done : Report::Kind::failed, failure, count);
}

// All of this program's descriptors but the two are closed: the child does not execute another program, which would.
[[noreturn]] void run_child(int archive, int reports, pid_t parent, const Identity& user, TreeWorker::Work work,
                            const std::string& path, const SpawnSettings& settings) {
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // Best effort: /proc may be missing.
    {
        const FileDescriptor score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
        const std::string& text = settings.out_of_memory_score;
        if (score) [[maybe_unused]]
            const ssize_t ignored = ::write(score.get(), text.data(), text.size());
    }
    // Both are at least 3: the lowest three are something.
    if (::dup2(archive, archive_place) < 0 || ::dup2(reports, report_place) < 0) ::_exit(1);
    if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
        rlimit open_files{};
        if (::getrlimit(RLIMIT_NOFILE, &open_files) != 0) ::_exit(1);
        for (rlim_t fd = 3; fd < std::min<rlim_t>(open_files.rlim_cur, 1 << 20); ++fd) ::close(static_cast<int>(fd));
    }
    try {
        work_as(user, parent, work, path);
    } catch (const std::exception& e) {
        send(Report::Kind::failed, {ENOMEM, e.what()}, {});
    }
    ::_exit(0);
}

bool adopt(boost::asio::posix::stream_descriptor& descriptor, FileDescriptor& fd) {
    boost::system::error_code ec;
    if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return false;
    descriptor.assign(fd.get(), ec);
    if (!ec) fd.release();
    return !ec;
}

} // namespace

std::size_t TreeWorker::running_ = 0;

TreeWorker::TreeWorker(const boost::asio::any_io_executor& executor) : archive_(executor), reports_(executor) {
    ++running_;
}

TreeWorker::~TreeWorker() {
    kill();
    --running_;
}

Answer<std::shared_ptr<TreeWorker>> TreeWorker::start(const boost::asio::any_io_executor& executor, Work work,
                                                      const std::string& path, const Identity& user,
                                                      const SpawnSettings& settings) {
    const auto exhausted = [](std::string_view what) {
        return RpcError{Code::resource_exhausted, "cannot work on another tree: " + std::string(what)};
    };
    if (running_ >= limit) return exhausted(std::to_string(limit) + " are being worked on");
    int archive[2] = {-1, -1};
    int reports[2] = {-1, -1};
    if (::pipe2(archive, O_CLOEXEC) != 0) return exhausted(describe(errno));
    FileDescriptor archive_read(archive[0]);
    FileDescriptor archive_write(archive[1]);
    if (::pipe2(reports, O_CLOEXEC) != 0) return exhausted(describe(errno));
    FileDescriptor reports_read(reports[0]);
    const FileDescriptor reports_write(reports[1]);

    const bool packs = work == Work::pack;
    auto worker = std::make_shared<TreeWorker>(executor);
    if (!adopt(worker->archive_, packs ? archive_read : archive_write) || !adopt(worker->reports_, reports_read))
        return exhausted("the kernel watches no more descriptors");
    const pid_t parent = ::getpid();
    worker->pid_ = ::fork();
    if (worker->pid_ == 0)
        run_child((packs ? archive_write : archive_read).get(), reports_write.get(), parent, user, work, path, settings);
    if (worker->pid_ < 0) return exhausted(errno == EAGAIN ? "the limit of processes is reached" : describe(errno));
    return worker;
}

std::optional<TreeWorker::Report> TreeWorker::next_report() {
    Report report;
    const ssize_t n = ::read(reports_.native_handle(), &report, sizeof report);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (n == sizeof report) return report;
    constexpr std::string_view killed = "the process that worked on the tree was killed";
    report = Report{};
    report.error = EIO;
    report.length = killed.size();
    std::memcpy(report.text.data(), killed.data(), killed.size());
    return report;
}

void TreeWorker::kill() {
    boost::system::error_code ignored;
    if (reports_.is_open() && pid_ > 0) {
        // As long as the child has its end it lives, or nobody has waited for it yet: the number is its own.
        pollfd reports{reports_.native_handle(), 0, 0};
        if (::poll(&reports, 1, 0) == 0) ::kill(pid_, SIGKILL);
    }
    if (archive_.is_open()) archive_.close(ignored);
    if (reports_.is_open()) reports_.close(ignored);
}

} // namespace sandboxkit::guest
