// SPDX-License-Identifier: Apache-2.0
// A static program that tests run inside a sandbox: it tries one thing and prints how that went, in one word.
#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

// TCP, waiting two seconds; by way of a device when one is named, which passes by the routes that refuse.
int try_connect(const char* host, const char* port, const char* device) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (device != nullptr &&
        ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, static_cast<socklen_t>(std::strlen(device))) != 0)
        return say(-1);
    const sockaddr_in to = address(host, port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
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

} // namespace

int main(int count, char** arguments) {
    const std::string what = count > 1 ? arguments[1] : "";
    if (what == "call" && count == 3) return try_call(arguments[2]);
    if (what == "tcp" && count >= 4) return try_connect(arguments[2], arguments[3], count > 4 ? arguments[4] : nullptr);
    if (what == "udp" && count >= 4) return try_datagram(arguments[2], arguments[3], count > 4 ? arguments[4] : nullptr);
    if (what == "memory" && count == 3) return use_memory(std::strtoul(arguments[2], nullptr, 10));
    if (what == "fork" && count == 3) return fork_until_refused(std::atoi(arguments[2]));
    return 2;
}
