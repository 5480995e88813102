// SPDX-License-Identifier: Apache-2.0
#include "guest/program.hpp"

#include "guest/refused_networks.hpp"
#include "guest/relay.hpp"
#include "guest/seccomp.hpp"
#include "guest/server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::guest {
namespace {

constexpr int usage_error = 64;
constexpr rlim_t wanted_descriptors = 65536;
constexpr int children_oom_score = 500;

struct Options {
    int listen_fd = -1;
    int seccomp_fd = -1;
    int hold_fd = -1;
    std::string listen_unix;
    std::string connect_unix;
    std::string workdir;
    bool inherit_environment = false;
    std::vector<RefusedNetwork> refused;
    std::vector<std::uint32_t> name_servers; // network byte order
};

int complain(int code, const std::string& message) {
    const std::string line = "sandboxkit-guest: " + message + "\n";
    // Nothing can be done about a standard error that is gone.
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
    return code;
}

constexpr const char* usage =
    "usage: sandboxkit-guest (--listen-fd N | --listen-unix PATH) [--seccomp-fd N] [--hold-fd N] [--workdir DIR]\n"
    "                        [--inherit-environment] [--refuse ADDRESS/BITS]... [--name-server ADDRESS]...\n"
    "       sandboxkit-guest --connect-unix PATH";

bool parse_address(std::string_view text, std::uint32_t& address) {
    in_addr parsed{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) return false;
    address = parsed.s_addr;
    return true;
}

bool parse_network(std::string_view text, RefusedNetwork& network) {
    const std::size_t slash = text.find('/');
    if (!parse_address(text.substr(0, slash), network.address)) return false;
    if (slash == std::string_view::npos) return true;
    text.remove_prefix(slash + 1);
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), network.bits);
    return ec == std::errc() && end == text.data() + text.size() && network.bits >= 1 && network.bits <= 32;
}

// Empty, or what is wrong with the value of an option that takes no descriptor.
std::string parse_value(std::string_view name, std::string_view value, Options& options) {
    if (value.empty()) return std::string(name) + " needs a value";
    if (name == "--refuse") {
        if (!parse_network(value, options.refused.emplace_back()))
            return "--refuse needs an IPv4 network, 192.0.2.0/24, not '" + std::string(value) + "'";
    } else if (name == "--name-server") {
        if (!parse_address(value, options.name_servers.emplace_back()))
            return "--name-server needs an IPv4 address, not '" + std::string(value) + "'";
    } else if (name == "--workdir") {
        if (value.front() != '/') return "--workdir has to be absolute";
        options.workdir = value;
    } else {
        (name == "--listen-unix" ? options.listen_unix : options.connect_unix) = value;
    }
    return {};
}

// Empty, or what is wrong.
std::string parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--inherit-environment") {
            options.inherit_environment = true;
            continue;
        }
        const bool descriptor = name == "--listen-fd" || name == "--seccomp-fd" || name == "--hold-fd";
        const bool known = descriptor || name == "--listen-unix" || name == "--connect-unix" || name == "--workdir" ||
                           name == "--refuse" || name == "--name-server";
        if (!known) return "unknown argument '" + std::string(name) + "'";
        if (++i == argc) return std::string(name) + " needs a value";
        const std::string_view value = argv[i];
        if (!descriptor) {
            if (const std::string wrong = parse_value(name, value, options); !wrong.empty()) return wrong;
            continue;
        }
        int fd = -1;
        const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), fd);
        if (ec != std::errc() || end != value.data() + value.size() || fd < 3)
            return std::string(name) + " needs the number of a descriptor from 3 on, not '" + std::string(value) + "'";
        if (::fcntl(fd, F_GETFD) < 0) return std::string(name) + ": descriptor " + std::string(value) + " is not open";
        (name == "--listen-fd" ? options.listen_fd : name == "--seccomp-fd" ? options.seccomp_fd : options.hold_fd) = fd;
    }
    if (!options.connect_unix.empty()) return argc == 3 ? "" : "--connect-unix goes with no other option";
    if ((options.listen_fd >= 0) == !options.listen_unix.empty()) return "exactly one of --listen-fd and --listen-unix is needed";
    return {};
}

// Nothing that was inherited reaches the processes of the sandbox, and 0, 1 and 2 are something.
void secure_descriptors(const Options& options) {
    for (int fd = 0; fd < 3; ++fd)
        if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY); // takes the lowest number, this one
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    for (const int fd : {options.listen_fd, options.seccomp_fd, options.hold_fd})
        if (fd >= 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// Empty, or what is wrong.
std::string open_listener(const Options& options, FileDescriptor& listener) {
    if (options.listen_fd >= 0) {
        int listening = 0;
        int domain = 0;
        int type = 0;
        socklen_t size = sizeof(int);
        if (::getsockopt(options.listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0 ||
            ::getsockopt(options.listen_fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX ||
            ::getsockopt(options.listen_fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
            return "--listen-fd: descriptor " + std::to_string(options.listen_fd) + " is not a listening Unix stream socket";
        listener.reset(options.listen_fd);
        return {};
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options.listen_unix.size() >= sizeof address.sun_path)
        return "--listen-unix: the path is longer than " + std::to_string(sizeof address.sun_path - 1) + " bytes";
    std::memcpy(address.sun_path, options.listen_unix.data(), options.listen_unix.size());
    listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener) return "cannot make a socket: " + std::string(describe(errno));
    // Whoever may connect may do anything as anybody.
    const mode_t mask = ::umask(0177);
    const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(mask);
    if (bound != 0) return "cannot listen on " + options.listen_unix + ": " + std::string(describe(error));
    if (::listen(listener.get(), 128) != 0)
        return "cannot listen on " + options.listen_unix + ": " + std::string(describe(errno));
    return {};
}

// Empty, or what is wrong. Nothing to do without a network that is refused.
std::string refuse_networks(Options& options) {
    if (options.refused.empty()) return {};
    std::array<char, 16 << 10> text{};
    const FileDescriptor file(::open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC));
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
    const std::string_view resolv_conf(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    for (const std::uint32_t server : name_servers_in(resolv_conf)) options.name_servers.push_back(server);
    return refuse_networks(options.refused, options.name_servers);
}

// What was ignored where this program was started is no business of the processes of the sandbox, which would inherit it.
void stop_ignoring_signals() {
    for (int signal = 1; signal <= 64; ++signal) {
        unsigned long kernel_sigaction[8] = {}; // the C library does not give access to two of them
        ::syscall(SYS_rt_sigaction, signal, nullptr, kernel_sigaction, 8);
        if (kernel_sigaction[0] != reinterpret_cast<unsigned long>(SIG_IGN)) continue;
        kernel_sigaction[0] = reinterpret_cast<unsigned long>(SIG_DFL);
        ::syscall(SYS_rt_sigaction, signal, kernel_sigaction, nullptr, 8);
    }
}

// Children get the limit that this program was given; it takes as many as it may.
int raise_descriptor_limit(rlimit& inherited) {
    if (::getrlimit(RLIMIT_NOFILE, &inherited) != 0) return 1024;
    rlimit raised = inherited;
    raised.rlim_cur = std::min(inherited.rlim_max, std::max(inherited.rlim_cur, wanted_descriptors));
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) raised = inherited;
    return static_cast<int>(std::min<rlim_t>(raised.rlim_cur, 1 << 20));
}

// Under memory pressure a process of the sandbox has to go before the server that can tell about it.
std::string children_score() {
    int own = 0;
    const FileDescriptor file(::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
    std::array<char, 16> text{};
    if (file) {
        const ssize_t n = ::read(file.get(), text.data(), text.size() - 1);
        if (n > 0) std::from_chars(text.data(), text.data() + n, own);
    }
    return std::to_string(std::max(own, children_oom_score));
}

} // namespace

int run(int argc, char** argv) {
    Options options;
    if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) return complain(usage_error, wrong + "\n" + usage);
    if (!options.connect_unix.empty()) {
        const std::string wrong = relay(options.connect_unix);
        return wrong.empty() ? 0 : complain(1, wrong);
    }
    secure_descriptors(options);
    // Before anybody can ask for a process.
    if (const std::string wrong = refuse_networks(options); !wrong.empty()) return complain(1, wrong);
    FileDescriptor listener;
    if (const std::string wrong = open_listener(options, listener); !wrong.empty()) return complain(1, wrong);
    const FileDescriptor held(options.hold_fd);

    // One thread, many small requests: memory that a burst of output took goes back.
    ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
    ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
    ::umask(022);
    stop_ignoring_signals(); // SIGCHLD, too: were it ignored, the kernel would wait for the children itself
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN); // a limit of the size of files is an error like others
    sigset_t handled;
    sigemptyset(&handled);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&handled, number);
    ::sigprocmask(SIG_BLOCK, &handled, nullptr);
    FileDescriptor signals(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return complain(1, "cannot make a signalfd: " + std::string(describe(errno)));
    // Where something else is PID 1, the orphans still come here.
    if (::getpid() != 1) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

    ServerOptions server_options;
    server_options.workdir = options.workdir;
    for (char** each = environ; options.inherit_environment && *each != nullptr; ++each) {
        const std::string_view variable = *each;
        if (const auto equals = variable.find('='); equals != std::string_view::npos && equals != 0)
            server_options.environment.insert_or_assign(std::string(variable.substr(0, equals)),
                                                        std::string(variable.substr(equals + 1)));
    }
    server_options.descriptor_limit = raise_descriptor_limit(server_options.spawn.open_files);
    server_options.spawn.out_of_memory_score = children_score();
    // From here on no other process can open this one's descriptors through /proc.
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return complain(1, "cannot become non-dumpable: " + std::string(describe(errno)));
    if (options.seccomp_fd >= 0) {
        const std::string wrong = load_seccomp_filter(FileDescriptor(options.seccomp_fd));
        if (!wrong.empty()) return complain(1, wrong);
    }

    try {
        boost::asio::io_context loop(1);
        Server server(loop, std::move(listener), std::move(signals), std::move(server_options));
        if (!server.start()) return complain(1, "cannot watch the socket");
        // What a handler throws (no memory) has ended that handler only.
        while (!loop.stopped()) {
            try {
                loop.run();
            } catch (const std::exception& e) {
                complain(0, e.what());
            }
        }
    } catch (const std::exception& e) {
        return complain(1, e.what());
    }
    if (!options.listen_unix.empty()) ::unlink(options.listen_unix.c_str());
    return 0;
}

} // namespace sandboxkit::guest
