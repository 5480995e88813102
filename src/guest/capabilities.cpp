// SPDX-License-Identifier: Apache-2.0
#include "guest/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace sandboxkit::guest {
namespace {

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

int change(void (*edit)(Sets& sets, int capability), int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Sets sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) return errno;
    edit(sets, capability);
    return ::syscall(SYS_capset, &header, sets.data()) == 0 ? 0 : errno;
}

} // namespace

int drop_capability(int capability) {
    // First the bounding set: that takes a capability of its own, which this one may be.
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 && ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
    return change(
        [](Sets& sets, int number) {
            const auto word = static_cast<std::size_t>(number) / 32;
            const auto others = ~(1U << (static_cast<unsigned>(number) % 32));
            sets[word].effective &= others;
            sets[word].permitted &= others;
            sets[word].inheritable &= others;
        },
        capability);
}

int drop_capabilities() {
    return change([](Sets& sets, int) { sets = {}; }, 0);
}

} // namespace sandboxkit::guest
