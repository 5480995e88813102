// SPDX-License-Identifier: Apache-2.0
#include "providers/local/network_slirp.hpp"

#include "providers/local/network_filter.hpp"
#include "providers/local/network_routes.hpp"
#include "providers/local/program_path.hpp"
#include "providers/local/spawn.hpp"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/major.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

constexpr unsigned tun_minor = 200; // of /dev/net/tun, among the misc devices: Documentation/admin-guide/devices.txt of Linux

Error network_failed(const std::string& what, const std::string& detail = {}) {
    return {ErrorClass::unavailable,
            "network_failed",
            "the network of the sandbox did not come up: " + what,
            "see sandboxkit doctor, or use egress \"none\"",
            detail,
            {}};
}

Result<void> wait_until_ready(int ready, const FileHandle& process, std::chrono::milliseconds limit, int stop) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        std::array<pollfd, 3> waiting{pollfd{ready, POLLIN, 0}, pollfd{process.get(), POLLIN, 0}, pollfd{stop, POLLIN, 0}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
        const int count = ::poll(waiting.data(), waiting.size(), static_cast<int>(left < 0 ? 0 : left));
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return network_failed("slirp4netns did not become ready in time");
        if (waiting[2].revents != 0) return cancelled_error();
        char byte = 0;
        if ((waiting[0].revents & POLLIN) != 0 && ::read(ready, &byte, 1) == 1) return {};
        return network_failed("slirp4netns ended");
    }
}

// The tap device is open in slirp4netns alone. A filter on it sees every frame that leaves the sandbox, however it was
// routed: SO_BINDTODEVICE and IP_PKTINFO make the kernel pass by routes that refuse.
Result<FileHandle> device_of(pid_t pid, const FileHandle& process) {
    std::error_code error;
    for (fs::directory_iterator each("/proc/" + std::to_string(pid) + "/fd", error), end; !error && each != end;
         each.increment(error)) {
        struct stat status {}; // its path says nothing here: the mount that it was opened on is in another namespace
        if (::stat(each->path().c_str(), &status) != 0 || !S_ISCHR(status.st_mode) ||
            status.st_rdev != makedev(MISC_MAJOR, tun_minor))
            continue;
        const int number = std::stoi(each->path().filename());
        FileHandle device(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
        if (!device) return system_error(errno, "cannot take hold of the network device of the sandbox");
        return device;
    }
    return network_failed("slirp4netns has no tap device");
}

Result<void> attach_filter(pid_t pid, const FileHandle& process, const std::vector<AddressRange>& refused) {
    auto program = egress_filter(refused);
    if (!program) return program.error();
    auto device = device_of(pid, process);
    if (!device) return device.error();
    const sock_fprog filter{static_cast<unsigned short>(program->size()), program->data()};
    if (::ioctl(device->get(), TUNATTACHFILTER, &filter) != 0)
        return system_error(errno, "cannot filter the network of the sandbox");
    return {};
}

} // namespace

fs::path find_slirp() {
    return find_program("slirp4netns");
}

Result<pid_t> start_slirp(const SlirpPlan& plan, std::chrono::milliseconds limit) {
    auto host = host_addresses();
    if (!host) return host.error();
    const auto refused = refused_ranges(*host);
    auto routed = refuse_routes(*plan.sandbox_handle, refused);
    if (!routed) return routed.error();

    std::array<int, 2> ends{};
    FileHandle null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null || ::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot make a pipe");
    FileHandle reader(ends[0]), writer(ends[1]);

    SpawnPlan spawning;
    spawning.arguments = {plan.program.string(), "--configure", "--mtu=65520",  "--disable-host-loopback",    "--enable-sandbox",
                          "--enable-seccomp",    "--exit-fd=3", "--ready-fd=4", std::to_string(plan.sandbox), "tap0"};
    spawning.descriptors = {null.get(), plan.log, plan.log, plan.exit_descriptor, writer.get()};
    spawning.orphan = true;
    // Its sandbox detaches the root it comes from, and with it, under any mount that the host shares, the host's own mounts: such
    // as those of every container of a Docker daemon, which shares its data directory.
    spawning.private_mounts = true;
    auto slirp = spawn(spawning);
    if (!slirp) return slirp.error();
    writer.reset();

    auto ready = wait_until_ready(reader.get(), slirp->pidfd, limit, plan.stop);
    if (ready) ready = attach_filter(slirp->pid, slirp->pidfd, refused);
    if (!ready) {
        ::syscall(SYS_pidfd_send_signal, slirp->pidfd.get(), SIGKILL, nullptr, 0);
        return ready.error();
    }
    return slirp->pid;
}

} // namespace sandboxkit::local
