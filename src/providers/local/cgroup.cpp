// SPDX-License-Identifier: Apache-2.0
#include "providers/local/cgroup.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxkit::local {
namespace fs = std::filesystem;
namespace {

// The lengths of time the kernel divides the CPU into, microseconds; as Docker's.
constexpr std::int64_t cpu_period = 100'000;

std::optional<std::string> read_first_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    if (!file || !std::getline(file, line)) return std::nullopt;
    return line;
}

std::optional<std::int64_t> number(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc()) return std::nullopt;
    return value;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream{std::string(text)};
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

// A limit is in force when it is at most what was asked for: a group above may be tighter, and the kernel rounds down.
bool holds(std::optional<std::int64_t> value, std::uint64_t asked) {
    return value && *value > 0 && static_cast<std::uint64_t>(*value) <= asked;
}

std::vector<pid_t> processes_of(const fs::path& directory) {
    std::vector<pid_t> result;
    std::ifstream file(directory / "cgroup.procs");
    for (pid_t pid = 0; file >> pid;) result.push_back(pid);
    return result;
}

} // namespace

CgroupLayout CgroupLayout::detect() {
    CgroupLayout layout;
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        const auto dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        const auto fields = split(line.substr(0, dash), ' ');
        const auto rest = split(line.substr(dash + 3), ' ');
        if (fields.size() < 6 || rest.size() < 3) continue;
        const fs::path point = unescape(fields[4]);
        if (rest[0] == "cgroup2" && layout.unified_.empty()) {
            layout.unified_ = point;
            layout.roots_.push_back(point);
            if (const auto list = read_first_line(point / "cgroup.controllers")) layout.unified_controllers_ = split(*list, ' ');
        } else if (rest[0] == "cgroup") {
            layout.roots_.push_back(point);
            for (const auto& option : split(rest[2], ','))
                if (option != "rw" && option != "ro") layout.controllers_.emplace(option, point);
        }
    }
    return layout;
}

std::string CgroupLayout::kind() const {
    if (controllers_.empty()) return unified_.empty() ? "none" : "v2";
    return unified_.empty() ? "v1" : "hybrid";
}

std::string CgroupLayout::fingerprint() const {
    std::string text = kind();
    for (const auto& [name, point] : controllers_) text += ";" + name + "=" + point.string();
    text += ";" + unified_.string();
    for (const auto& name : unified_controllers_) text += "," + name;
    return text;
}

CgroupControls CgroupLayout::available() const {
    const auto has = [&](const char* name) {
        return controllers_.contains(name) ||
               (controllers_.empty() && std::ranges::find(unified_controllers_, name) != unified_controllers_.end());
    };
    CgroupControls controls;
    controls.cpu = has("cpu");
    controls.memory = has("memory");
    controls.processes = has("pids");
    controls.devices = controllers_.contains("devices") || (controllers_.empty() && !unified_.empty());
    if (controls.memory) {
        std::error_code ignored;
        const auto v1 = controllers_.find("memory");
        // Of cgroup2 the file is on groups below the root only; it is there when the kernel counts swap at all.
        controls.swap = v1 == controllers_.end() || fs::exists(v1->second / "memory.memsw.limit_in_bytes", ignored);
    }
    return controls;
}

std::optional<std::string> CgroupLayout::read(pid_t pid, std::string_view controller, const std::string& name) const {
    std::ifstream groups("/proc/" + std::to_string(pid) + "/cgroup");
    const auto v1 = controllers_.find(std::string(controller));
    for (std::string line; std::getline(groups, line);) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const auto names = split(std::string_view(line).substr(first + 1, second - first - 1), ',');
        const std::string path = line.substr(second + 1);
        if (v1 != controllers_.end()) {
            if (std::ranges::find(names, controller) != names.end())
                return read_first_line(fs::path(v1->second.string() + path) / name);
        } else if (names.empty() && !unified_.empty()) {
            return read_first_line(fs::path(unified_.string() + path) / name);
        }
    }
    return std::nullopt;
}

CgroupControls CgroupLayout::in_force(pid_t pid, const Limits& limits) const {
    CgroupControls controls;
    const bool v2 = controllers_.empty();
    const auto quota = static_cast<std::uint64_t>(limits.cpus * static_cast<double>(cpu_period));
    controls.cpu = holds(number(v2 ? read(pid, "cpu", "cpu.max") : read(pid, "cpu", "cpu.cfs_quota_us")), quota);
    controls.memory =
        holds(number(v2 ? read(pid, "memory", "memory.max") : read(pid, "memory", "memory.limit_in_bytes")), limits.memory_bytes);
    controls.swap = v2 ? number(read(pid, "memory", "memory.swap.max")) == 0
                       : holds(number(read(pid, "memory", "memory.memsw.limit_in_bytes")), limits.memory_bytes);
    controls.processes = holds(number(read(pid, "pids", "pids.max")), limits.processes);
    return controls;
}

std::vector<fs::path> CgroupLayout::directories(const std::string& group) const {
    std::vector<fs::path> result;
    for (const auto& root : roots_) {
        std::error_code ignored;
        if (fs::is_directory(root / group, ignored)) result.push_back(root / group);
    }
    return result;
}

std::vector<std::string> CgroupLayout::groups(const std::string& prefix) const {
    std::set<std::string> names;
    for (const auto& root : roots_) {
        std::error_code error;
        for (fs::directory_iterator each(root, error), end; !error && each != end; each.increment(error))
            if (each->path().filename().native().starts_with(prefix)) names.insert(each->path().filename());
    }
    return {names.begin(), names.end()};
}

bool CgroupLayout::remove(const std::string& group, std::chrono::milliseconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        bool gone = true;
        for (const auto& directory : directories(group)) {
            if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) continue;
            gone = false;
            // Killed processes leave the group a little after their end was reported, and v1 has no file to wait on.
            for (const pid_t pid : processes_of(directory)) ::kill(pid, SIGKILL);
        }
        if (gone) return true;
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

} // namespace sandboxkit::local
