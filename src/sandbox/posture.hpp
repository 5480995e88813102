// SPDX-License-Identifier: Apache-2.0
// What a process in a sandbox may do, for every provider whose sandboxes share this kind of kernel.
#pragma once

#include <array>
#include <cstdint>

namespace sandboxkit::posture {

// Docker's default set without three. NET_RAW: raw and packet sockets would pass beside the routes that keep a sandbox from
// private networks. MKNOD: nothing in a sandbox needs device nodes, and its file system is mounted nodev. SETFCAP: file
// capabilities mean nothing under no_new_privs, but would be captured into images and mean something elsewhere.
// AUDIT_WRITE stays: su and sudo's PAM modules fail without it.
inline constexpr std::array capabilities = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FSETID",     "CAP_FOWNER", "CAP_SETGID",      "CAP_SETUID",
    "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",   "CAP_AUDIT_WRITE",
};

// As Docker's.
inline constexpr std::array masked_paths = {
    "/proc/asound",     "/proc/acpi",        "/proc/interrupts",  "/proc/kcore", "/proc/keys",    "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",  "/sys/firmware", "/sys/devices/virtual/powercap",
};
inline constexpr std::array read_only_kernel_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

inline constexpr std::int64_t shared_memory_bytes = 64 << 20; // of /dev/shm

} // namespace sandboxkit::posture
