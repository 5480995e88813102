// SPDX-License-Identifier: Apache-2.0
// A static program that tests run inside a sandbox, and the conformance suite with them: it tries one thing and prints how that
// went, in one word. What it tries would harm nothing if it succeeded.
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

namespace {

int say(long result) {
    const char* name = result >= 0 ? "ok" : strerrorname_np(errno);
    std::printf("%s\n", name != nullptr ? name : "unknown");
    return 0;
}

int try_call(const std::string& name) {
    if (name == "mount") return say(::mount("none", "/tmp", "tmpfs", 0, nullptr));
    if (name == "umount") return say(::umount2("/proc", MNT_DETACH));
    if (name == "remount") return say(::mount("none", "/opt/locked", nullptr, MS_REMOUNT | MS_BIND, nullptr));
    if (name == "unshare_user") return say(::unshare(CLONE_NEWUSER));
    if (name == "unshare_mount") return say(::unshare(CLONE_NEWNS));
    if (name == "clone_user") return say(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
    if (name == "clone3") return say(syscall(SYS_clone3, nullptr, 0));
    if (name == "setns") return say(syscall(SYS_setns, 0, 0));
    if (name == "keyctl") return say(syscall(SYS_keyctl, 0, -3, 0));
    if (name == "add_key") return say(syscall(SYS_add_key, "user", "a", "b", 1, -3));
    if (name == "bpf") return say(syscall(SYS_bpf, 0, nullptr, 0));
    if (name == "userfaultfd") return say(syscall(SYS_userfaultfd, 0));
    if (name == "io_uring") return say(syscall(SYS_io_uring_setup, 1, nullptr));
    if (name == "perf") return say(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0));
    if (name == "open_by_handle") return say(syscall(SYS_open_by_handle_at, -1, nullptr, 0));
    if (name == "reboot") return say(syscall(SYS_reboot, 0, 0, 0, nullptr));
    if (name == "init_module") return say(syscall(SYS_init_module, nullptr, 0, ""));
    if (name == "newer") return say(syscall(2000));
    if (name == "vsock") return say(::socket(AF_VSOCK, SOCK_STREAM, 0));
    if (name == "vsock_high_bits") return say(syscall(SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM, 0));
    if (name == "alg") return say(::socket(AF_ALG, SOCK_SEQPACKET, 0));
    if (name == "raw") return say(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    if (name == "packet") return say(::socket(AF_PACKET, SOCK_RAW, 0));
    if (name == "inet") return say(::socket(AF_INET, SOCK_STREAM, 0));
    if (name == "personality") return say(syscall(SYS_personality, 0x0400000));
    if (name == "mknod") return say(::mknod("/tmp/node", S_IFCHR | 0600, 1 << 8 | 1));
    if (name == "ptrace") return say(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
    if (name == "chroot") return say(::chroot("/"));
    if (name == "pivot_root") return say(syscall(SYS_pivot_root, "/tmp", "/tmp"));
    if (name == "open_tree") return say(syscall(SYS_open_tree, AT_FDCWD, "/", 1)); // 1: a copy of the mount
    if (name == "fsopen") return say(syscall(SYS_fsopen, "tmpfs", 0));
    if (name == "kexec") return say(syscall(SYS_kexec_load, 0, 0, nullptr, 0));
    if (name == "swapon") return say(::swapon("/no/such/device", 0));
    if (name == "settime") { // to what it is
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        return say(::clock_settime(CLOCK_REALTIME, &now));
    }
    if (name == "sethostname") {
        char text[256] = {};
        ::gethostname(text, sizeof text - 1);
        return say(::sethostname(text, std::strlen(text)));
    }
    if (name == "syslog") { // the kernel's log
        char text[64];
        return say(syscall(SYS_syslog, 3, text, sizeof text));
    }
    if (name == "ptrace_1") {
        const long result = ::ptrace(PTRACE_SEIZE, 1, nullptr, nullptr);
        const int error = errno;
        if (result == 0) ::ptrace(PTRACE_DETACH, 1, nullptr, nullptr);
        errno = error;
        return say(result);
    }
    std::printf("what?\n");
    return 2;
}

sockaddr_in address(const char* host, const char* port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET, host, &result.sin_addr);
    return result;
}

sockaddr_in6 address6(const char* host, const char* port) {
    sockaddr_in6 result{};
    result.sin6_family = AF_INET6;
    result.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET6, host, &result.sin6_addr);
    return result;
}

// TCP, waiting two seconds; by way of a device when one is named, which passes by the routes that refuse.
int try_connect(const char* host, const char* port, const char* device) {
    const bool six = std::strchr(host, ':') != nullptr;
    const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) return say(-1);
    if (device != nullptr &&
        ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, static_cast<socklen_t>(std::strlen(device))) != 0)
        return say(-1);
    const sockaddr_in to = address(host, port);
    const sockaddr_in6 to6 = address6(host, port);
    if (::connect(fd, six ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to),
                  six ? sizeof to6 : sizeof to) != 0) {
        if (errno != EINPROGRESS) return say(-1);
        pollfd waiting{fd, POLLOUT, 0};
        if (::poll(&waiting, 1, 2000) == 0) {
            errno = ETIMEDOUT;
            return say(-1);
        }
        socklen_t size = sizeof errno;
        int error = 0;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        errno = error;
        if (error != 0) return say(-1);
    }
    pollfd waiting{fd, POLLIN, 0};
    ::poll(&waiting, 1, 2000);
    char text[64] = {};
    const ssize_t count = ::recv(fd, text, sizeof text - 1, 0);
    std::printf("connected %s\n", count > 0 ? text : "");
    return 0;
}

// UDP, waiting two seconds for an answer; `device` is given with the datagram itself (IP_PKTINFO).
int try_datagram(const char* host, const char* port, const char* device) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    const sockaddr_in to = address(host, port);
    char text[] = "ping";
    iovec part{text, 4};
    msghdr message{};
    message.msg_name = const_cast<sockaddr_in*>(&to);
    message.msg_namelen = sizeof to;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
    if (device != nullptr) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
        in_pktinfo info{};
        info.ipi_ifindex = static_cast<int>(::if_nametoindex(device));
        std::memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    if (::sendmsg(fd, &message, 0) < 0) return say(-1);
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, 2000) == 0) {
        errno = ETIMEDOUT;
        return say(-1);
    }
    char answer[64] = {};
    const ssize_t count = ::recv(fd, answer, sizeof answer - 1, 0);
    if (count < 0) return say(-1);
    std::printf("answered %s\n", answer);
    return 0;
}

int use_memory(std::size_t megabytes) {
    std::vector<char*> all;
    for (std::size_t i = 0; i < megabytes; ++i) {
        all.push_back(new char[1 << 20]);
        std::memset(all.back(), 1, 1 << 20);
    }
    std::printf("used %zu\n", all.size());
    return 0;
}

// Forks children that wait, until it cannot; says how many there were.
int fork_until_refused(int most) {
    int count = 0;
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    while (count < most) {
        const pid_t pid = ::fork();
        if (pid < 0) break;
        if (pid == 0) {
            ::close(ends[1]);
            char byte = 0;
            ::_exit(::read(ends[0], &byte, 1) < 0);
        }
        ++count;
    }
    std::printf("%d %s\n", count, count < most ? strerrorname_np(errno) : "ok");
    ::close(ends[1]);
    while (::wait(nullptr) > 0) {
    }
    return 0;
}

// A server on all addresses of the sandbox that says a word to whoever comes.
int serve(int listener, const char* word) {
    if (listener < 0 || ::listen(listener, 16) != 0) return say(-1);
    std::printf("serving\n");
    std::fflush(stdout);
    for (;;) {
        const int peer = ::accept(listener, nullptr, nullptr);
        if (peer < 0) return say(-1);
        (void)::send(peer, word, std::strlen(word), MSG_NOSIGNAL); // who asked may be gone already
        ::close(peer);
    }
}

int serve_tcp(const char* port, const char* word) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in at = address("0.0.0.0", port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return say(-1);
    return serve(fd, word);
}

// `path`, or a name that is in no file system.
socklen_t unix_address(sockaddr_un& to, const std::string& path, bool abstract) {
    to = {};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path + (abstract ? 1 : 0), path.c_str(), std::min(path.size(), sizeof to.sun_path - 2));
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

int serve_abstract(const std::string& name) {
    sockaddr_un at{};
    const auto size = unix_address(at, name, true);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), size) != 0) return say(-1);
    return serve(fd, "x");
}

int try_unix(const std::string& path, bool abstract) {
    sockaddr_un to{};
    const auto size = unix_address(to, path, abstract);
    return say(::connect(::socket(AF_UNIX, SOCK_STREAM, 0), reinterpret_cast<const sockaddr*>(&to), size));
}

// A node of its own, opened for reading.
int try_device(char kind, unsigned major, unsigned minor) {
    const char* path = "/tmp/conformance-device";
    ::unlink(path);
    if (::mknod(path, (kind == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(major, minor)) != 0) return say(-1);
    const int fd = ::open(path, O_RDONLY | O_NONBLOCK);
    const int error = errno;
    ::unlink(path);
    errno = error;
    return say(fd);
}

// The oldest way out: a root below the working directory, and up from there.
int escape_chroot(const char* path) {
    ::mkdir("/tmp/conformance-chroot", 0755);
    const int root = ::open("/", O_RDONLY | O_DIRECTORY);
    if (::chroot("/tmp/conformance-chroot") != 0 || ::fchdir(root) != 0) return say(-1);
    for (int i = 0; i < 64; ++i)
        if (::chdir("..") != 0) return say(-1);
    if (::chroot(".") != 0) return say(-1);
    return say(::open(path, O_RDONLY));
}

// Works for so long, and says how much time of a CPU it got, in seconds.
int spin(int milliseconds) {
    const auto seconds = [](clockid_t clock) {
        timespec now{};
        ::clock_gettime(clock, &now);
        return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
    };
    const double end = seconds(CLOCK_MONOTONIC) + milliseconds / 1000.0;
    while (seconds(CLOCK_MONOTONIC) < end) {
    }
    std::printf("%.3f\n", seconds(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}

int get_attribute(const char* path, const char* name) {
    char value[256] = {};
    if (::lgetxattr(path, name, value, sizeof value - 1) < 0) return say(-1);
    std::printf("%s\n", value);
    return 0;
}

} // namespace

int main(int count, char** arguments) {
    const std::string what = count > 1 ? arguments[1] : "";
    if (what == "call" && count == 3) return try_call(arguments[2]);
    if (what == "tcp" && count >= 4) return try_connect(arguments[2], arguments[3], count > 4 ? arguments[4] : nullptr);
    if (what == "udp" && count >= 4) return try_datagram(arguments[2], arguments[3], count > 4 ? arguments[4] : nullptr);
    if (what == "memory" && count == 3) return use_memory(std::strtoul(arguments[2], nullptr, 10));
    if (what == "fork" && count == 3) return fork_until_refused(std::atoi(arguments[2]));
    if (what == "serve" && count == 4) return serve_tcp(arguments[2], arguments[3]);
    if (what == "unix" && count == 3) return try_unix(arguments[2], false);
    if (what == "abstract" && count == 3) return try_unix(arguments[2], true);
    if (what == "abstract_serve" && count == 3) return serve_abstract(arguments[2]);
    if (what == "device" && count == 5)
        return try_device(arguments[2][0], static_cast<unsigned>(std::atoi(arguments[3])),
                          static_cast<unsigned>(std::atoi(arguments[4])));
    if (what == "chroot_escape" && count == 3) return escape_chroot(arguments[2]);
    if (what == "spin" && count == 3) return spin(std::atoi(arguments[2]));
    if (what == "euid" && count == 2) return std::printf("%d\n", static_cast<int>(::geteuid())) < 0;
    if (what == "setxattr" && count == 5)
        return say(::lsetxattr(arguments[2], arguments[3], arguments[4], std::strlen(arguments[4]), 0));
    if (what == "getxattr" && count == 4) return get_attribute(arguments[2], arguments[3]);
    if (what == "shm_make" && count == 3) return say(::shmget(std::atoi(arguments[2]), 4096, IPC_CREAT | 0666));
    if (what == "shm_find" && count == 3) return say(::shmget(std::atoi(arguments[2]), 0, 0));
    return 2;
}
