// SPDX-License-Identifier: Apache-2.0
#include "guest/seccomp.hpp"

#include "guest/rpc_error.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace sandboxkit::guest {

std::string load_seccomp_filter(FileDescriptor file) {
    std::vector<sock_filter> program(BPF_MAXINSNS + 1);
    auto* bytes = reinterpret_cast<char*>(program.data());
    const std::size_t room = program.size() * sizeof(sock_filter);
    std::size_t size = 0;
    bool seekable = true;
    while (size < room) {
        // Who wrote the file and hands it on shares its offset: begin at 0. A pipe has no offset.
        ssize_t n = seekable ? ::pread(file.get(), bytes + size, room - size, static_cast<off_t>(size))
                             : ::read(file.get(), bytes + size, room - size);
        if (n < 0 && errno == ESPIPE && seekable) {
            seekable = false;
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return "--seccomp-fd: cannot read the filter: " + std::string(describe(errno));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    if (size == 0 || size % sizeof(sock_filter) != 0 || size / sizeof(sock_filter) > BPF_MAXINSNS)
        return "--seccomp-fd: " + std::to_string(size) + " bytes are not a filter of 1 to " + std::to_string(BPF_MAXINSNS) +
               " instructions";
    file.reset();
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "cannot set no_new_privs: " + std::string(describe(errno));
    const sock_fprog filter{static_cast<unsigned short>(size / sizeof(sock_filter)), program.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
        return "--seccomp-fd: the kernel does not take the filter: " + std::string(describe(errno));
    return {};
}

} // namespace sandboxkit::guest
