// SPDX-License-Identifier: Apache-2.0
#include "guest/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sandboxkit::guest {
namespace {

constexpr const char* multiplexer = "/dev/ptmx";

RpcError no_terminal(int error) {
    const std::string what = "cannot open a terminal";
    if (error == EMFILE || error == ENFILE) return {Code::resource_exhausted, what + ": no file descriptors are left"};
    if (error == ENOSPC) return {Code::resource_exhausted, what + ": the kernel's limit of terminals is reached"};
    if (error == ENOENT || error == ENXIO || error == ENODEV)
        return {Code::failed_precondition, what + ": the sandbox has no " + multiplexer};
    return system_error(error, what);
}

} // namespace

Answer<Terminal> open_terminal(const TerminalSize& size, const Identity& user, int descriptor_limit) {
    // Something else may stand under that name: opening it must not block, and is not trusted.
    Terminal terminal;
    terminal.own.reset(::open(multiplexer, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    if (!terminal.own) return no_terminal(errno);
    struct stat status {};
    if (::fstat(terminal.own.get(), &status) != 0) return no_terminal(errno);
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2)) return no_terminal(ENXIO);

    const int unlocked = 0;
    if (::ioctl(terminal.own.get(), TIOCSPTLCK, &unlocked) != 0) return no_terminal(errno);
    // Not by its name, which is another's to give in this place.
    terminal.childs.reset(::ioctl(terminal.own.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.childs) return no_terminal(errno);
    if (std::max(terminal.own.get(), terminal.childs.get()) >= descriptor_limit) return no_terminal(EMFILE);
    // So that the process can open /dev/tty and the like. The group is the one that the sandbox gives its terminals.
    if (user.uid != ::geteuid() && ::fchown(terminal.childs.get(), user.uid, static_cast<gid_t>(-1)) != 0)
        return no_terminal(errno);
    const auto sized = resize_terminal(terminal.own.get(), size);
    if (!sized) return sized.error();
    return terminal;
}

Answer<void> resize_terminal(int terminal, const TerminalSize& size) {
    winsize window{};
    window.ws_col = size.cols;
    window.ws_row = size.rows;
    if (::ioctl(terminal, TIOCSWINSZ, &window) != 0) return system_error(errno, "error resizing tty");
    return {};
}

} // namespace sandboxkit::guest
