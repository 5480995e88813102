// SPDX-License-Identifier: Apache-2.0
#include "guest/metrics.hpp"

#include "guest/file_descriptor.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string_view>

namespace sandboxkit::guest {
namespace {

// Empty when it is not there, or not the kernel's: the sandbox may have put anything in its place.
std::string kernel_file(const char* path, long file_system) {
    const FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct statfs status {};
    if (!file || ::fstatfs(file.get(), &status) != 0 || status.f_type != file_system) return {};
    std::array<char, 8192> text;
    const ssize_t n = ::read(file.get(), text.data(), text.size());
    return std::string(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
}

std::string of_group(const char* path) {
    return kernel_file(path, CGROUP2_SUPER_MAGIC);
}

std::string of_machine(const char* path) {
    return kernel_file(path, PROC_SUPER_MAGIC);
}

// The number at the beginning, after spaces; nothing when there is none, as in "max".
std::optional<std::uint64_t> number(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    return ec == std::errc() ? std::optional(value) : std::nullopt;
}

// Of the line that begins with `name`.
std::optional<std::uint64_t> value_of(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (text.starts_with(name)) return number(text.substr(name.size(), end - name.size()));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::nullopt;
}

unsigned machine_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1;
}

// A part of one counts as one.
unsigned processors() {
    const unsigned count = machine_processors();
    const std::string limit = of_group("/sys/fs/cgroup/cpu.max"); // "<quota> <period>" in microseconds
    const auto quota = number(limit);
    const auto period = quota ? number(std::string_view(limit).substr(std::min(limit.find(' '), limit.size()))) : std::nullopt;
    if (!period || *period == 0) return count;
    return static_cast<unsigned>(std::clamp<std::uint64_t>((*quota + *period - 1) / *period, 1, count));
}

struct Memory {
    std::uint64_t total = 0, used = 0, cache = 0;
};

Memory memory() {
    Memory memory;
    const std::string machine = of_machine("/proc/meminfo");
    const auto kibibytes = [&](std::string_view name) { return value_of(machine, name).value_or(0) * 1024; };
    memory.total = kibibytes("MemTotal:");
    if (const auto current = number(of_group("/sys/fs/cgroup/memory.current"))) {
        const auto limit = number(of_group("/sys/fs/cgroup/memory.max"));
        memory.total = std::min(memory.total, limit.value_or(memory.total));
        memory.cache = std::min(value_of(of_group("/sys/fs/cgroup/memory.stat"), "file ").value_or(0), *current);
        memory.used = *current - memory.cache;
        return memory;
    }
    memory.cache = kibibytes("Cached:");
    memory.used = memory.total - std::min(memory.total, kibibytes("MemFree:") + kibibytes("Buffers:") + memory.cache);
    return memory;
}

} // namespace

Metrics::Work Metrics::work() {
    if (const auto used = value_of(of_group("/sys/fs/cgroup/cpu.stat"), "usage_usec ");
        used && !of_group("/sys/fs/cgroup/cpu.max").empty()) {
        const auto now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
        return {static_cast<double>(*used) / 1e6, now * processors()};
    }
    // user nice system idle iowait irq softirq steal
    const std::string text = of_machine("/proc/stat");
    std::string_view line = text;
    line = line.substr(0, line.find('\n'));
    Work work;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    for (int field = 0; field < 8; ++field) {
        line.remove_prefix(std::min(line.find(' '), line.size()));
        while (line.starts_with(' ')) line.remove_prefix(1);
        const double seconds = static_cast<double>(number(line).value_or(0)) / ticks;
        work.possible += seconds;
        if (field != 3 && field != 4) work.busy += seconds;
    }
    return work;
}

std::string Metrics::json() {
    const Work now = work();
    const double possible = now.possible - last_.possible;
    const double share = possible > 0 ? std::clamp((now.busy - last_.busy) / possible, 0.0, 1.0) : 0.0;
    last_ = now;
    std::array<char, 32> percent{};
    std::snprintf(percent.data(), percent.size(), "%.2f", share * 100);

    const Memory memory = guest::memory();
    struct statvfs disk {};
    if (::statvfs("/", &disk) != 0) disk = {};
    const auto value = [](std::uint64_t number) { return std::to_string(number); };
    return "{\"ts\":" + std::to_string(std::time(nullptr)) + ",\"cpu_count\":" + std::to_string(processors()) +
           ",\"cpu_used_pct\":" + percent.data() + ",\"mem_total_mib\":" + value(memory.total >> 20) +
           ",\"mem_used_mib\":" + value(memory.used >> 20) + ",\"mem_total\":" + value(memory.total) +
           ",\"mem_used\":" + value(memory.used) + ",\"mem_cache\":" + value(memory.cache) +
           ",\"disk_used\":" + value((disk.f_blocks - disk.f_bfree) * disk.f_frsize) +
           ",\"disk_total\":" + value(disk.f_blocks * disk.f_frsize) + "}\n";
}

} // namespace sandboxkit::guest
